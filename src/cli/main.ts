/**
 * The process around the command line: signals, broken pipes, the exit code. Nothing is decided here, and the process
 * is never ended half way: it ends when there is nothing left to do.
 */
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { Interrupted, type CliIo, type Loaders } from './io.ts';
import { runCli } from './program.ts';

export async function main(loaders: Loaders): Promise<void> {
  const ending = new AbortController();
  // Once each: a second Ctrl-C ends the process the hard way, should the soft one hang.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => ending.abort(new Interrupted('interrupted')));
  }
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // `pitcrew history | head`: nobody reads on, which is no error of ours.
      if (error.code !== 'EPIPE') throw error;
      ending.abort(new Interrupted('nobody reads the output'));
    });
  }
  const io: CliIo = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    nowMs: () => Date.now(),
    timeZone: Temporal.Now.timeZoneId(),
    version: versionOf(new URL('../../package.json', import.meta.url)),
    by: `${userName()}@${hostname()}`,
    signal: ending.signal,
  };
  process.exitCode = await runCli(process.argv.slice(2), io, loaders);
}

function versionOf(manifest: URL): string {
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return version;
}

/** In a container the user id may have no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`;
  }
}
