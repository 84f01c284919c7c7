#!/usr/bin/env node
/** The entry point: the command line, and the two programs that it can turn into. */
import { main } from './cli/main.ts';

await main({
  runDaemon: async () => (await import('./daemon/main.ts')).runDaemon,
  runDemo: async () => (await import('./daemon/demo.ts')).runDemo,
});
