/** What a power rung of the reboot ladder asks of the BMC next: off, seen to be off, on, and never a second round. Pure. */
import type { RebootLog } from './server-state.ts';

/** `onAgain`: it was asked for and recorded, and the request was lost. `switchedOff`: it was on, and somebody has put it out. */
export type PowerNeed = 'off' | 'on' | 'onAgain' | 'switchedOff' | 'none';

export function powerNeed(log: RebootLog, power: 'on' | 'off'): PowerNeed {
  const askedOn = log.power.some((entry) => entry.kind === 'asked' && entry.state === 'on');
  if (!askedOn) return power === 'off' ? 'on' : 'off';
  if (power === 'on') return 'none';
  // Seen to be on, so the request was obeyed: whoever has switched it off since has a reason, and is not fought.
  if (wasOn(log)) return 'switchedOff';
  // Recorded, and still off: lost by a crash or by the BMC. Asking for "on" again cycles nothing.
  return 'onAgain';
}

/** Seen to be on after it was asked to be. */
export function wasOn(log: RebootLog): boolean {
  const asked = log.power.findIndex((entry) => entry.kind === 'asked' && entry.state === 'on');
  return asked >= 0 && log.power.slice(asked).some((entry) => entry.kind === 'seen' && entry.state === 'on');
}
