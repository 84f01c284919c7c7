/** `pitcrew demo`: reads its options and hands over to the demo. */
import { InvalidArgumentError, type Command } from 'commander';
import type { DemoOptions } from '../io.ts';
import type { Run } from '../session.ts';

export function addDemo(program: Command, run: Run): void {
  program
    .command('demo')
    .option('--keep', 'leave everything running at the end, until Ctrl-C')
    .option('--speed <factor>', 'how much faster than in real life', positive, 1)
    .option('--folder <folder>', 'keep its files here (default: a temporary folder)')
    .description('a small data centre on this machine, and a run through it')
    .action((options: Partial<DemoOptions>, command: Command) =>
      run(command, async (session) => {
        const { keep = false, speed = 1, folder } = options;
        const runDemo = await session.loaders.runDemo();
        const given = { keep, speed, ...(folder === undefined ? {} : { folder }) };
        return runDemo(given, { ...session.io, pitcrew: session.pitcrew });
      }),
    );
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It is a number above 0.');
}
