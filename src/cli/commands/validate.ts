/** `pitcrew validate [paths]`: checks documents where they lie; needs no daemon and changes nothing. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ExitCode } from '../../errors/codes.ts';
import { UsageError } from '../io.ts';
import type { Run, Session } from '../session.ts';
import { documentPaths } from './daemon.ts';

export function addValidate(program: Command, run: Run): void {
  program
    .command('validate')
    .argument('[paths...]', `files or folders (default: ${documentPaths.join(', ')})`)
    .description('check plans, playbooks and inventory')
    .action((paths: string[], _options: unknown, command: Command) =>
      run(command, (session) => validate(session, paths)),
    );
}

async function validate(session: Session, given: readonly string[]): Promise<ExitCode> {
  const paths = given.length > 0 ? given : documentPaths.filter((path) => existsSync(resolve(session.io.cwd, path)));
  if (paths.length === 0) {
    throw new UsageError(`none of ${documentPaths.join(', ')} is here`, 'pitcrew validate PATH…');
  }
  // Loaded here alone: no other command needs the YAML parser and the schemas.
  const [{ readAndParse }, { describePassedOver }, { renderProblems }] = await Promise.all([
    import('../../adapters/system/documents.ts'),
    import('../../adapters/system/document-set.ts'),
    import('../render-problems.ts'),
  ]);
  const { problems, documentCount, passedOver } = await readAndParse(paths);
  // A folder mistyped, or a file by another name than .yaml and .yml, must not pass for a check.
  if (documentCount === 0 && problems.length === 0) {
    const [first] = passedOver;
    const why = first ? `; ${describePassedOver(first)}` : '';
    throw new UsageError(`no document in ${paths.join(', ')}${why}`, 'documents are files that end in .yaml or .yml');
  }
  const { color } = session.view();
  await session.print({ problems, documentCount, passedOver }, () =>
    renderProblems(problems, { color, documentCount, passedOver }).trimEnd(),
  );
  return problems.some(({ severity }) => severity === 'error') ? ExitCode.invalidDocument : ExitCode.done;
}
