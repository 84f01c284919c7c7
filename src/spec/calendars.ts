/**
 * Calendar files that stand beside a plan: `blackouts: [ { ical: holidays.ics } ]`.
 *
 * It decides what a plan's calendars say, with every line that could not be understood; reading the files is the
 * document source's work.
 */
import { readCalendar } from '../schedule/ical.ts';
import type { Blackout } from '../schedule/blackouts.ts';
import { isTimeZone } from '../schedule/local-time.ts';
import { beside, type Attachments } from './attachments.ts';
import type { MaintenancePlan } from './plan.ts';
import type { Problem } from './problem.ts';
import type { SourceDocument } from './source.ts';

/** More than that from one file are one mistake. */
const faultsShownMax = 5;

/** The plan with the events of its calendars, and what stands in the way. */
export function withCalendars(
  source: SourceDocument,
  plan: MaintenancePlan,
  attachments: Attachments,
): { value: MaintenancePlan; problems: Problem[] } {
  const { schedule } = plan.spec;
  if (!schedule) return { value: plan, problems: [] };
  const problems: Problem[] = [];
  const calendars = schedule.blackouts.flatMap((blackout, index): Blackout[] => {
    // An unknown zone is told where it stands, once.
    if (!('ical' in blackout) || !isTimeZone(blackout.timeZone)) return [];
    const at = ['spec', 'schedule', 'blackouts', index, 'ical'];
    const path = beside(source.file.path, blackout.ical);
    const attachment = attachments.get(path) ?? { failure: 'it was not given' };
    if ('failure' in attachment) {
      problems.push(source.problemAt(at, { message: `cannot read ${path}: ${attachment.failure}` }));
      return [];
    }
    const { blackouts, faults } = readCalendar(attachment.text, blackout.timeZone);
    for (const { line, message, hint } of faults.slice(0, faultsShownMax)) {
      problems.push(source.problemAt(at, { message: `${path}:${line}: ${message}`, hint }));
    }
    if (blackouts.length === 0 && faults.length === 0) {
      problems.push(source.problemAt(at, { severity: 'warning', message: `${path} holds no event` }));
    }
    return blackouts.map((event) => ({ ...event, reason: event.reason || (blackout.reason ?? path) }));
  });
  return { value: { ...plan, spec: { ...plan.spec, schedule: { ...schedule, calendars } } }, problems };
}
