/** What was tried with a server, told so that what to do next is still on the screen. Pure. */
import { clean } from './text.ts';

interface Tried {
  readonly atMs: number;
  readonly text: string;
}

interface TriedGroup extends Tried {
  readonly times: number;
}

/** A server that does not answer for twenty minutes is tried again and again: how it began and how it ended is enough. */
const firstMax = 4;
const lastMax = 4;

/** What was asked again and again is told once, with how often. */
function groupTried(tried: readonly Tried[]): TriedGroup[] {
  const groups: TriedGroup[] = [];
  for (const { text, atMs } of tried) {
    const last = groups.at(-1);
    if (last?.text === text) groups[groups.length - 1] = { ...last, times: last.times + 1 };
    else groups.push({ text, atMs, times: 1 });
  }
  return groups;
}

/** One segment for each group, and one for all that are left out in the middle. `history` has them all. */
export function sayTried(tried: readonly Tried[], say: (group: TriedGroup) => string): string[] {
  const groups = groupTried(tried);
  const lines = groups.map((group) => clean(`${say(group)}${group.times > 1 ? ` (${group.times} times)` : ''}`));
  if (lines.length <= firstMax + lastMax + 1) return lines;
  const left = groups.slice(firstMax, -lastMax).reduce((sum, { times }) => sum + times, 0);
  return [...lines.slice(0, firstMax), `… ${left} more …`, ...lines.slice(-lastMax)];
}
