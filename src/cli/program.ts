/**
 * The tree of commands and the options that all of them share; one command line in, one exit code out.
 *
 * It never ends the process: the entry point sets the exit code, so that all output arrives.
 */
import { Command, Option } from 'commander';
import { ExitCode } from '../errors/codes.ts';
import { addApprove } from './commands/approve.ts';
import { addCompletion } from './commands/completion.ts';
import { addDaemon } from './commands/daemon.ts';
import { addDemo } from './commands/demo.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEvacuate } from './commands/evacuate.ts';
import { addHistory } from './commands/history.ts';
import { addPause } from './commands/pause.ts';
import { addPlan } from './commands/plan.ts';
import { addPower } from './commands/power.ts';
import { addRehearse } from './commands/rehearse.ts';
import { addResume } from './commands/resume.ts';
import { addRetry } from './commands/retry.ts';
import { addReturn } from './commands/return.ts';
import { addServers } from './commands/servers.ts';
import { addSkip } from './commands/skip.ts';
import { addSnapshot } from './commands/snapshot.ts';
import { addStart } from './commands/start.ts';
import { addStatus } from './commands/status.ts';
import { addStop } from './commands/stop.ts';
import { addValidate } from './commands/validate.ts';
import { addWindows } from './commands/windows.ts';
import type { CliIo, Loaders } from './io.ts';
import { reportError } from './report.ts';
import { Session, formats, type GlobalOptions, type Run } from './session.ts';

export async function runCli(argv: readonly string[], io: CliIo, loaders: Loaders): Promise<ExitCode> {
  let exitCode: ExitCode = ExitCode.done;
  const program = buildProgram(io.version, async (command, work) => {
    const again = (line: readonly string[]): Promise<ExitCode> => runCli(line, io, loaders);
    exitCode = await work(new Session(io, loaders, command.optsWithGlobals<GlobalOptions>(), again));
  });
  const output = {
    writeOut: (text: string) => void io.stdout.write(text),
    writeErr: (text: string) => void io.stderr.write(text),
    getOutHelpWidth: () => io.stdout.columns ?? 80,
    getErrHelpWidth: () => io.stderr.columns ?? 80,
  };
  for (const command of [program, ...program.commands]) command.configureOutput(output);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return reportError(error, io, program.opts<GlobalOptions>());
  }
}

export function buildProgram(version: string, run: Run): Command {
  const program = new Command('pitcrew')
    .description(
      'Rolling maintenance for bare-metal Kubernetes: pods move away first, servers prove that they came back.',
    )
    .version(version, '-V, --version', 'the version of pitcrew')
    .addOption(new Option('--server <address>', 'daemon: URL or socket (PITCREW_SERVER; default: <data>/daemon.sock)'))
    .addOption(new Option('--data <folder>', 'data folder (default: ./.pitcrew, or /var/lib/pitcrew)'))
    .addOption(new Option('--token-file <file>', 'file with the API token (PITCREW_TOKEN; default: beside the socket)'))
    .addOption(new Option('-o, --format <format>', 'how results are printed').choices(formats).default('text'))
    .addOption(new Option('--no-color', 'no colours, like NO_COLOR=1'))
    .addOption(new Option('-y, --yes', 'do dangerous things without asking'))
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .showHelpAfterError('(`pitcrew help` lists the commands, `pitcrew help COMMAND` its options)');

  program.commandsGroup('Before a run:');
  addValidate(program, run);
  addPlan(program, run);
  addRehearse(program, run);
  addWindows(program, run);
  addDoctor(program, run);
  addSnapshot(program, run);
  program.commandsGroup('A run:');
  addStart(program, run);
  addStatus(program, run);
  addHistory(program, run);
  addPause(program, run);
  addResume(program, run);
  addApprove(program, run);
  addStop(program, run);
  addRetry(program, run);
  addSkip(program, run);
  program.commandsGroup('Single servers:');
  addServers(program, run);
  addPower(program, run);
  addEvacuate(program, run);
  addReturn(program, run);
  program.commandsGroup('This installation:');
  addDaemon(program, run);
  addDemo(program, run);
  addCompletion(program, run);
  return program;
}
