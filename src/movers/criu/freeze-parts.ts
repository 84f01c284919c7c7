/**
 * How long a pod stood still, and on what that time went, from the notes of both servers. Pure; for people, and never a ground
 * for a decision.
 */
import type { FreezeParts } from '../../ports/movers.ts';

export interface Note {
  readonly atNs: bigint;
  readonly text: string;
}

export interface Freeze {
  readonly freezeMs: number | undefined;
  readonly parts: FreezeParts | undefined;
}

export function notesOf(output: string): Note[] {
  return [...output.matchAll(/^note (\d+) (.*)$/gm)].map(([, at = '0', text = '']) => ({ atNs: BigInt(at), text }));
}

/** From the last packet that the source answered to the first that the target could. */
export function freezeOf(source: readonly Note[], target: readonly Note[]): Freeze {
  const frozen = source.find(({ text }) => text === 'freezing');
  const restored = target.findLast(({ text }) => text.startsWith('restored '));
  if (!frozen || !restored) return { freezeMs: undefined, parts: undefined };
  const parts = partsOf(source, target, frozen, restored);
  // Without the parts by the clocks of two servers: good enough where they keep time.
  if (!parts) return { freezeMs: msBetween(frozen, restored), parts };
  return { freezeMs: parts.dumpMs + parts.transferMs + parts.restoreMs, parts };
}

/** Each by the clock of one server. Nothing where something was done a second time. */
function partsOf(
  source: readonly Note[],
  target: readonly Note[],
  frozen: Note,
  restored: Note,
): FreezeParts | undefined {
  const takeover = source.find(({ text }) => text === 'takeover');
  const dumped = source.findLast(({ text }) => text.startsWith('dumped '));
  const answered = source.find(({ text }) => text === 'commit committed');
  const committed = target.find(({ text }) => text === 'committed');
  if (!dumped || !answered || !committed || answered.atNs < dumped.atNs) return undefined;
  return {
    networkMs: takeover ? msBetween(takeover, frozen) : 0,
    dumpMs: msBetween(frozen, dumped),
    transferMs: msBetween(dumped, answered),
    restoreMs: msBetween(committed, restored),
  };
}

function msBetween(from: Note, to: Note): number {
  return Number((to.atNs - from.atNs) / 1_000_000n);
}
