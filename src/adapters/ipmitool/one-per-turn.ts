/**
 * At most one `ipmitool` is started per turn of the event loop. Node stands still from fork to exec, on a busy machine for
 * a tenth of a second; a hundred in a row would keep leases from being renewed and answers of Redis from being read.
 *
 * It limits how fast they are started, not how many run.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Of the whole process, because it has one event loop. */
let last: Promise<void> = Promise.resolve();

export function turnToStart(): Promise<void> {
  last = last.then(() => nextTurn());
  return last;
}
