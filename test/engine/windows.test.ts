import { expect, it } from 'vitest';
import { whyNotYet } from '../../src/engine/windows.ts';
import { MaintenancePlan } from '../../src/spec/plan.ts';

function planWith(schedule: object | undefined): MaintenancePlan {
  return MaintenancePlan.parse({
    apiVersion: 'pitcrew.dev/v1',
    kind: 'MaintenancePlan',
    metadata: { name: 'weekly' },
    spec: { targets: { matchLabels: { rack: '1' } }, playbook: 'kernel', ...(schedule && { schedule }) },
  });
}

it('who starts a run before its window is told when its servers may begin', () => {
  const weekly = planWith({
    windows: [{ opens: '0 22 * * SAT', timeZone: 'Europe/Berlin', lasts: '4h' }],
    estimate: '10m',
  });
  const fridayMs = Date.UTC(2026, 10, 27, 12);
  expect(whyNotYet(weekly, fridayMs)).toBe(
    'no server begins before the window opens: 2026-11-28 22:00 (Europe/Berlin)',
  );
  expect(whyNotYet(weekly, Date.UTC(2026, 10, 28, 22))).toBeUndefined();
  expect(whyNotYet(planWith(undefined), fridayMs)).toBeUndefined();
});
