#!/usr/bin/env node
/** The entry point: the command line, and the two programs that it can turn into. */
import { setFlagsFromString } from 'node:v8';
import { main } from './cli/main.ts';

await main({
  runDaemon: async () => {
    // Mostly it waits. Without this the heap grows with what is long garbage: a third more memory, for no gain in speed.
    // Set before the daemon's modules are loaded, because the heap does not shrink again by much.
    setFlagsFromString('--optimize-for-size');
    return (await import('./daemon/main.ts')).runDaemon;
  },
  runDemo: async () => (await import('./daemon/demo.ts')).runDemo,
});
