/** The page of windows, made from real plans: what the engine says about them is what is drawn. */
import { describe, expect, it } from 'vitest';
import { renderWindows } from '../../src/cli/render/windows.ts';
import { widthOf, type View } from '../../src/cli/render/text.ts';
import { listWindows } from '../../src/engine/windows.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Documents } from '../../src/ports/documents.ts';
import { MaintenancePlan } from '../../src/spec/plan.ts';

function planNamed(name: string, schedule?: unknown): MaintenancePlan {
  return MaintenancePlan.parse({
    apiVersion: 'pitcrew.dev/v1',
    kind: 'MaintenancePlan',
    metadata: { name },
    spec: {
      playbook: 'kernel',
      targets: { matchLabels: { role: 'worker' } },
      ...(schedule === undefined ? {} : { schedule }),
    },
  });
}

function documents(...plans: MaintenancePlan[]): Documents {
  return { plans, playbooks: [], servers: [], digest: '' };
}

const weekly = planNamed('weekly-kernel', {
  windows: [{ opens: '0 22 * * SAT', lasts: '6h', timeZone: 'Europe/Berlin' }],
  blackouts: [
    { from: '2026-12-19', to: '2027-01-06', timeZone: 'Europe/Berlin', reason: 'change freeze' },
    { from: '2027-01-09T22:00', to: '2027-01-10T02:00', timeZone: 'Europe/Berlin', reason: 'stocktaking' },
    { from: '2027-01-16T22:00', to: '2027-01-17T03:45', timeZone: 'Europe/Berlin', reason: 'elections' },
  ],
  startAutomatically: true,
});
const night = planNamed('night', { windows: [{ opens: '30 1 * * *', lasts: '90m', timeZone: 'America/New_York' }] });

function viewAt(instant: string): View {
  return { nowMs: Temporal.Instant.from(instant).epochMilliseconds, width: 80, color: false, timeZone: 'UTC' };
}

function page(at: string, plan: string | undefined, ...plans: MaintenancePlan[]): string {
  const view = viewAt(at);
  return renderWindows(listWindows(documents(...plans), plan, view.nowMs), view);
}

describe('pitcrew windows', () => {
  it('shows the next openings in local time and UTC, and why one is suppressed', () => {
    expect(page('2026-12-10T12:00Z', 'weekly-kernel', weekly, night))
      .toBe(`weekly-kernel · starts by itself · a server is estimated at 30m
shut; servers may start Sat 12 Dec 22:00 CET, in 2d 09h

 opens                 in UTC            for
 Sat 12 Dec 22:00 CET  2026-12-12 21:00   6h
 Sat 19 Dec 22:00 CET  2026-12-19 21:00   6h  suppressed: change freeze
 Sat 26 Dec 22:00 CET  2026-12-26 21:00   6h  suppressed: change freeze
 Sat 2 Jan 22:00 CET   2027-01-02 21:00   6h  suppressed: change freeze
 Sat 9 Jan 22:00 CET   2027-01-09 21:00   6h  2h left: stocktaking
 Sat 16 Jan 22:00 CET  2027-01-16 21:00   6h  too short, 15m left: elections
 Sat 23 Jan 22:00 CET  2027-01-23 21:00   6h
 Sat 30 Jan 22:00 CET  2027-01-30 21:00   6h
 Sat 6 Feb 22:00 CET   2027-02-06 21:00   6h
 Sat 13 Feb 22:00 CET  2027-02-13 21:00   6h`);
  });

  it('says what is open, how long, and what is too late', () => {
    const open = page('2026-12-12T22:00Z', 'weekly-kernel', weekly);
    expect(open.split('\n').slice(1, 5)).toEqual([
      'open until Sun 13 Dec 04:00 CET, 5h left',
      '',
      ' opens                 in UTC            for',
      ' Sat 12 Dec 22:00 CET  2026-12-12 21:00   6h  open',
    ]);
    expect(page('2026-12-13T02:45Z', 'weekly-kernel', weekly)).toContain(
      'open until Sun 13 Dec 04:00 CET, 15m left; servers may start Sun 10 Jan 02:00',
    );
    expect(page('2026-12-19T21:30Z', 'weekly-kernel', weekly)).toContain(
      'shut by a blackout; servers may start Sun 10 Jan 02:00 CET',
    );
  });

  it('lists all plans by name, one without windows too', () => {
    const text = page('2026-12-10T12:00Z', undefined, weekly, planNamed('by-hand'), night);
    expect(text.split('\n').filter((line) => line.includes(' · '))).toEqual([
      'by-hand · started by `pitcrew start`',
      'night · started by `pitcrew start` · a server is estimated at 30m',
      'weekly-kernel · starts by itself · a server is estimated at 30m',
    ]);
    expect(text).toContain('no windows: it runs at any time');
    expect(text).toContain(' Fri 11 Dec 01:30 EST  2026-12-11 06:30  1h 30m');
  });

  it('is an object with times for programs', () => {
    const [view] = listWindows(documents(weekly), 'weekly-kernel', viewAt('2026-12-10T12:00Z').nowMs);
    expect(view?.openings[0]).toMatchObject({
      opensAt: '2026-12-12T22:00+01:00[Europe/Berlin]',
      opensAtUtc: '2026-12-12T21:00Z',
      shutsAt: '2026-12-13T04:00+01:00[Europe/Berlin]',
      shutsAtUtc: '2026-12-13T03:00Z',
      state: 'coming',
    });
  });

  it('knows no plan that is not there', () => {
    expect(() => listWindows(documents(weekly), 'weakly', 0)).toThrow(MaintenanceError);
    expect(() => listWindows(documents(weekly), 'weakly', 0)).toThrow('there are: weekly-kernel');
  });

  it('fits 60, 80 and 100 columns', () => {
    for (const width of [60, 80, 100]) {
      const view = { ...viewAt('2026-12-13T02:45Z'), width };
      const drawn = renderWindows(listWindows(documents(weekly, night), undefined, view.nowMs), view);
      expect(drawn.split('\n').filter((line) => widthOf(line) > width)).toEqual([]);
    }
  });
});
