#!/usr/bin/env node
/** The entry point: the command line, and the two programs that it can turn into. */
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';

// A daemon starts seldom, and with other flags of V8, under which what was kept would not be valid.
if (!process.argv.some((word) => word === 'daemon' || word === 'demo')) keepCompiled();
const { main } = await import('./cli/main.ts');

await main({
  runDaemon: async () => {
    // Mostly it waits. This cuts by a third what it takes at a hundred servers, for a third more of very little CPU; see
    // docs/measurements.md. Set before the daemon's modules are loaded, because the heap hardly shrinks again.
    setFlagsFromString('--optimize-for-size');
    return (await import('./daemon/main.ts')).runDaemon;
  },
  runDemo: async () => (await import('./daemon/demo.ts')).runDemo,
});

/**
 * Halves the time that a command takes to start. What is kept is run as it is, so it lies in the home that the system knows for
 * this user: neither in a folder that others can write to, nor in one that the environment names, which under `sudo` may
 * be somebody else's.
 */
function keepCompiled(): void {
  try {
    const folder = join(userInfo().homedir, '.cache', 'pitcrew');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    enableCompileCache(folder);
  } catch {
    // A user without a home, or with one that cannot be written to: every start takes its full time.
  }
}
