/**
 * How an error is told to a person, and which exit code it ends with. It knows the four kinds there are: wrong usage,
 * an interrupt, a failure of the world, a bug of ours.
 */
import { CommanderError } from 'commander';
import { toErrorBody } from '../api/errors.ts';
import { ExitCode, errorCodes } from '../errors/codes.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import { Interrupted, UsageError, type CliIo } from './io.ts';
import { paint } from './render/paint.ts';
import { clean, wrapSegments } from './render/text.ts';
import type { GlobalOptions } from './session.ts';
import { viewOf } from './view.ts';

export function reportError(error: unknown, io: CliIo, options: GlobalOptions): ExitCode {
  // Commander has said it already; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.done : ExitCode.usage;
  if (error instanceof UsageError) {
    tell(io, options, error.message, 'hint', error.hint);
    return ExitCode.usage;
  }
  if (error instanceof Interrupted) {
    io.stderr.write(`${error.message}\n`);
    return ExitCode.interrupted;
  }
  if (error instanceof MaintenanceError) {
    if (options.format === 'json') io.stderr.write(`${JSON.stringify(toErrorBody(error))}\n`);
    else tell(io, options, `${error.message} (${error.code})`, 'next', errorCodes[error.code].next);
    return errorCodes[error.code].exit;
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  io.stderr.write(`error: a bug in pitcrew itself\n${detail}\n`);
  return ExitCode.runFailed;
}

function tell(io: CliIo, options: GlobalOptions, message: string, word: 'hint' | 'next', advice: string): void {
  const { width, color } = viewOf(io, io.stderr, options.color);
  const lead = 'error: ';
  // A message about documents has many lines, each with its own place.
  const lines = message.split('\n').flatMap((line, index) => {
    return wrapSegments([clean(line)], index === 0 ? lead : ' '.repeat(lead.length), width);
  });
  const [first = '', ...rest] = lines;
  const head = paint(first.slice(0, lead.length), 'alarm', color) + first.slice(lead.length);
  const last = advice === '' ? [] : wrapSegments([advice], `${word}:  `, width);
  io.stderr.write(`${[head, ...rest, ...last].join('\n')}\n`);
}
