#!/usr/bin/env node
/** The entry point: the command line, and the two programs that it can turn into. */
import { setFlagsFromString } from 'node:v8';
import { main } from './cli/main.ts';

await main({
  runDaemon: async () => {
    // Mostly it waits. This cuts by a third what it takes at a hundred servers, for a third more of very little CPU; see
    // docs/measurements.md. Set before the daemon's modules are loaded, because the heap hardly shrinks again.
    setFlagsFromString('--optimize-for-size');
    return (await import('./daemon/main.ts')).runDaemon;
  },
  runDemo: async () => (await import('./daemon/demo.ts')).runDemo,
});
