/** What a power rung of the reboot ladder asks of the BMC next: off, seen to be off, on, and never a second round. Pure. */
import type { RebootLog } from './server-state.ts';

/** `onAgain`: it was asked for and recorded, and the request was lost. */
export type PowerNeed = 'off' | 'on' | 'onAgain' | 'none';

export function powerNeed(log: RebootLog, power: 'on' | 'off'): PowerNeed {
  const askedOn = log.power.some((entry) => entry.kind === 'asked' && entry.state === 'on');
  // Recorded, and still off: lost by a crash or by the BMC. Asking for "on" again cycles nothing.
  if (askedOn) return power === 'off' ? 'onAgain' : 'none';
  return power === 'off' ? 'on' : 'off';
}
