/** `pitcrew demo`: reads its options and hands over to the demo. */
import { InvalidArgumentError, type Command } from 'commander';
import type { DemoOptions } from '../io.ts';
import type { Run } from '../session.ts';

type Given = Partial<Omit<DemoOptions, 'broken'>> & { readonly break?: string };

export function addDemo(program: Command, run: Run): void {
  program
    .command('demo')
    .option('--keep', 'leave everything running at the end, until Ctrl-C')
    .option('--no-run', 'start everything but a run, and leave that to you; until Ctrl-C')
    .option('--break <server>', 'this server does not come back from its reboot at first, e.g. rack2-02')
    .option('--speed <factor>', 'how much faster the servers boot', positive, 1)
    .option('--folder <folder>', 'an empty folder for its files, which then stay (default: a temporary one)')
    .description('a small data centre on this machine, and a run through it')
    .action((options: Given, command: Command) =>
      run(command, async (session) => {
        const { keep = false, run: startsRun = true, speed = 1, folder, break: broken } = options;
        const runDemo = await session.loaders.runDemo();
        const named = { ...(folder === undefined ? {} : { folder }), ...(broken === undefined ? {} : { broken }) };
        const given = { keep, run: startsRun, speed, ...named };
        return runDemo(given, { ...session.io, pitcrew: session.pitcrew });
      }),
    );
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It is a number above 0.');
}
