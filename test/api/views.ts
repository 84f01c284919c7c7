/** Builders for the views that tests show, with defaults that a test overrides where it matters. */
import type { RunView, ServerRow } from '../../src/workflow/run-view.ts';

/** Saturday, 28 November 2026, 23:41:50 UTC. */
export const nowMs = Date.UTC(2026, 10, 28, 23, 41, 50);
export const secondsMs = 1_000;
export const minutesMs = 60_000;

export function serverRow(more: Partial<ServerRow> = {}): ServerRow {
  return {
    name: 'rack1-01',
    node: 'rack1-01.example.org',
    wave: 0,
    phase: 'pending',
    sinceMs: 0,
    hold: { kind: 'none' },
    doing: '',
    pods: { toMove: 0, moved: 0 },
    reason: '',
    phaseMs: {},
    tried: [],
    ...more,
  };
}

export function runView(more: Partial<RunView> = {}): RunView {
  return {
    runId: '2611-a7',
    purpose: 'maintenance',
    plan: 'weekly-kernel',
    playbook: 'kernel-update',
    status: 'running',
    hold: { kind: 'none' },
    reason: '',
    createdMs: nowMs - 100 * minutesMs,
    wave: 0,
    waves: 1,
    counts: { total: 0, done: 0, failed: 0, active: 0, skipped: 0 },
    podsMoved: 0,
    servers: [],
    ...more,
  };
}
