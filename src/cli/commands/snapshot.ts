/** `pitcrew snapshot [FILE]`: what the daemon sees, scrubbed, into one file for `plan` and `rehearse`. Changes nothing else. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import type { Snapshot } from '../../engine/snapshot.ts';
import { UsageError } from '../io.ts';
import type { Run, Session } from '../session.ts';
import { plural } from '../render/text.ts';
import { sayNext } from './requested.ts';
import { gzipped } from '../snapshot-file.ts';

export function addSnapshot(program: Command, run: Run): void {
  program
    .command('snapshot')
    .argument('[file]', 'where to; compressed where it ends in .gz (default: standard output)')
    .description('what a plan needs to know of the cluster, without secrets, in one file')
    .action((file: string | undefined, _options: unknown, command: Command) =>
      run(command, async (session) => {
        const snapshot = await (await session.client()).snapshot();
        if (file === undefined) {
          session.io.stdout.write(`${JSON.stringify(snapshot)}\n`);
          return ExitCode.done;
        }
        await write(resolve(session.io.cwd, file), snapshot);
        tell(session, file, snapshot);
        return ExitCode.done;
      }),
    );
}

/** All of it or nothing: half a snapshot would be found out only when it is needed. */
async function write(path: string, snapshot: Snapshot): Promise<void> {
  const text = `${JSON.stringify(snapshot)}\n`;
  const unfinished = `${path}.unfinished`;
  try {
    // Names and addresses of a whole site are nobody else's business.
    await writeFile(unfinished, path.endsWith('.gz') ? await gzipped(text) : text, { mode: 0o600 });
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new UsageError(`cannot write ${path}: ${code}`, 'name a file in a folder that you may write to');
  }
}

function tell(session: Session, file: string, { objects, servers, kubernetes }: Snapshot): void {
  session.say(
    `${file}: ${plural(objects.nodes.length, 'node')}, ${plural(objects.pods.length, 'pod')}, ` +
      `${plural(objects.budgets.length, 'budget')}, ${plural(servers.length, 'server')} (Kubernetes ${kubernetes})`,
  );
  session.say('It holds names, labels and sizes: no secrets, no environment, no arguments, no images.');
  sayNext(session, [`rehearse PLAN --snapshot ${file}`]);
}
