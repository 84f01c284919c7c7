/**
 * Says what an error of the Redis client means: Redis cannot be used just now, or we asked for nonsense.
 *
 * It never hands on the client's own error object: that carries the command with its arguments, and among these the
 * password.
 */
import { InvariantError, MaintenanceError } from '../../errors/maintenance-error.ts';

/** Answers with which Redis refuses everybody for a while, or refuses us: no fault of the command. */
const refusals =
  /^(LOADING|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|MISCONF|NOREPLICAS|NOAUTH|WRONGPASS|NOPERM|UNKILLABLE|ERR max number of clients)/;

export function classifyRedisFailure(error: unknown, doing: string, where: string): Error {
  if (error instanceof MaintenanceError || error instanceof InvariantError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const isAnswer = error instanceof Error && error.name === 'ReplyError';
  if (isAnswer && !refusals.test(text)) {
    return new InvariantError(`Redis does not understand us while ${doing}: ${text}`);
  }
  return new MaintenanceError('journal/unreachable', 'retry', `Redis at ${where} cannot be used: ${text}`, {
    details: { doing },
    cause: new Error(text),
  });
}
