/** `pitcrew completion bash|zsh|fish`: prints a script made from the tree of commands, so that it never lags behind. */
import { Argument, type Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import { completionScript, shells, type Shell } from '../completion.ts';
import type { Run } from '../session.ts';

export function addCompletion(program: Command, run: Run): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'for which shell').choices(shells))
    .description('completion for a shell, e.g. source <(pitcrew completion bash)')
    .action((shell: Shell, _options: unknown, command: Command) =>
      run(command, async (session) => {
        session.io.stdout.write(completionScript(program, shell));
        return ExitCode.done;
      }),
    );
}
