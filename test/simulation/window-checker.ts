/**
 * Invariant 5: never start a server outside its window, in a blackout, or when it is not predicted to finish in time.
 *
 * It has its own, simple idea of windows (times on weekdays that do not overlap, whole days as blackouts), so that a
 * mistake in `src/schedule` is none of its own. It looks at every cordon in the world and at every place that is given out.
 */
import { parseNode } from '../../src/cluster/parse.ts';
import type { Schedule } from '../../src/schedule/schedule.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import type { Simulation } from './harness.ts';

export type LookAtWindow = (holds: boolean, text: () => string) => void;

export function watchWindows(simulation: Simulation, look: LookAtWindow): void {
  const definitions = new Map<string, RunDefinition>();
  /** When the first step of a server of a run began. */
  const begun = new Map<string, number>();
  let seen = 0;
  const readJournal = (): void => {
    for (const { stream, entry } of simulation.journal.snapshot(seen)) {
      seen += 1;
      const { event, atMs } = entry;
      const key = `${stream.runId}/${stream.server}`;
      if (event.kind === 'runCreated') definitions.set(stream.runId, event.definition);
      if (event.kind === 'stepStarted' && !begun.has(key)) begun.set(key, atMs);
      if (event.kind !== 'serverAdmitted') continue;
      const schedule = definitions.get(stream.runId)?.schedule;
      if (!schedule) continue;
      const closesMs = closingOf(schedule, atMs) ?? 0;
      look(atMs + schedule.estimateMs <= closesMs, () => `${event.server} got a place at ${timeOf(atMs)}`);
    }
  };
  simulation.journal.onAppend(readJournal);
  simulation.world.api.store.subscribe(({ kind, object, previous }) => {
    if (kind !== kinds.nodes || previous === undefined) return;
    const { name, cordon } = parseNode(object);
    if (cordon.kind !== 'ours' || parseNode(previous).cordon.kind === 'ours') return;
    readJournal();
    const schedule = definitions.get(cordon.runId)?.schedule;
    if (!schedule) return;
    const nowMs = simulation.clock.nowMs();
    const closesMs = closingOf(schedule, nowMs) ?? 0;
    // Either reckoned from when it began to prepare itself, or anew.
    const finishMs = Math.min(begun.get(`${cordon.runId}/${name}`) ?? nowMs, nowMs) + schedule.estimateMs;
    look(nowMs < closesMs && finishMs <= closesMs, () => `${name} was cordoned at ${timeOf(nowMs)}`);
  });
}

function timeOf(atMs: number): string {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toString();
}

/** When the window that is open now will shut; `undefined` where none is. */
function closingOf({ windows, blackouts }: Schedule, nowMs: number): number | undefined {
  const now = Temporal.Instant.fromEpochMilliseconds(nowMs);
  const isBlackedOut = blackouts.some(({ from, to, timeZone }) => {
    const today = now.toZonedDateTimeISO(timeZone).toPlainDate().toString();
    return from.slice(0, 10) <= today && today <= to.slice(0, 10);
  });
  if (isBlackedOut) return undefined;
  const closings = windows.flatMap(({ opens, lastsMs, timeZone }) => {
    const today = now.toZonedDateTimeISO(timeZone).toPlainDate();
    return [0, 1].flatMap((ago) => {
      const date = today.subtract({ days: ago });
      if (opens.weekdays && !opens.weekdays.includes(date.dayOfWeek)) return [];
      const times = opens.hours.flatMap((hour) => opens.minutes.map((minute) => ({ hour, minute })));
      return times.flatMap((plainTime) => {
        const opensMs = date.toZonedDateTime({ timeZone, plainTime }).epochMilliseconds;
        return opensMs <= nowMs && nowMs < opensMs + lastsMs ? [opensMs + lastsMs] : [];
      });
    });
  });
  return closings.length > 0 ? Math.max(...closings) : undefined;
}
