/**
 * From what a plan says about time to a schedule as data: cron lines read, calendars beside the other blackouts.
 *
 * The documents were checked (schedule-checks.ts); what is wrong here is a bug.
 */
import { InvariantError } from '../errors/maintenance-error.ts';
import type { Blackout } from '../schedule/blackouts.ts';
import { parseCron } from '../schedule/cron.ts';
import type { Schedule } from '../schedule/schedule.ts';
import type { PlanSchedule } from './plan.ts';

export function scheduleOf(plan: PlanSchedule): Schedule {
  const written = plan.blackouts.flatMap((blackout): Blackout[] => {
    if ('ical' in blackout) return [];
    const { from, to, timeZone, reason } = blackout;
    return [{ from, to, timeZone, reason: reason ?? 'blackout' }];
  });
  return {
    windows: plan.windows.map(({ opens, lasts, timeZone }) => {
      const parsed = parseCron(opens);
      if ('fault' in parsed) throw new InvariantError(`a cron line that was never checked: ${opens}`);
      return { opens: parsed.cron, lastsMs: lasts, timeZone };
    }),
    blackouts: [...written, ...plan.calendars],
    startAutomatically: plan.startAutomatically,
    estimateMs: plan.estimateMs,
  };
}
