/** Why a server or a run does not move although nothing is wrong. One fact, never folded into the phase. */
import { z } from 'zod';

export const Hold = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('none') }),
  z.object({ kind: z.literal('paused'), by: z.string() }),
  z.object({
    kind: z.literal('waiting'),
    for: z.enum(['window', 'budget', 'soak', 'approval', 'pods', 'connection', 'lease', 'volumes', 'capacity']),
    /** For a person: what exactly, with names and numbers. */
    text: z.string(),
  }),
  z.object({ kind: z.literal('blocked'), by: z.string() }),
]);
export type Hold = z.infer<typeof Hold>;

export const noHold: Hold = { kind: 'none' };

export function isSameHold(a: Hold, b: Hold): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

export type RoomHold = Extract<Hold, { kind: 'waiting' }> & { readonly for: 'budget' | 'capacity' };

/** What others have to free: places in the budget, or room for pods. One may turn into the other while nothing gets better. */
export function isForRoom(hold: Hold): hold is RoomHold {
  return hold.kind === 'waiting' && (hold.for === 'budget' || hold.for === 'capacity');
}

/** The reason alone, for messages that say themselves what it is the reason of. */
export function sayHold(hold: Hold): string {
  switch (hold.kind) {
    case 'none':
      return 'nothing';
    case 'paused':
      return `paused by ${hold.by}`;
    case 'waiting':
      return hold.text;
    case 'blocked':
      return hold.by;
  }
}
