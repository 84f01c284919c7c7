import { describe, expect, it } from 'vitest';
import { diffPlans } from '../../src/planner/plan-diff.ts';
import type { ProgramStep } from '../../src/workflow/definition.ts';
import { definition, runServer } from '../workflow/fixtures.ts';

const before = definition();

describe('what is different from the last run', () => {
  it('is nothing of the run itself: its id, and who started it', () => {
    expect(diffPlans(before, { ...before, runId: 'r2', startedBy: 'eve' })).toMatchObject({ changes: [], added: [] });
  });

  it('are servers that came and went, and those that are left out now', () => {
    const leftOut = { because: 'bare pod', owner: '' };
    const servers = [{ ...runServer('b'), leftOut }, runServer('c'), runServer('d'), runServer('e')];
    expect(diffPlans(before, { ...before, servers })).toMatchObject({
      added: ['e'],
      removed: ['a'],
      changes: [{ what: 'left out', before: 'none', now: 'b' }],
    });
  });

  it('are a parameter in a command, shown where it differs, and steps that are new or gone', () => {
    const program = before.program.map((step): ProgramStep =>
      step.kind === 'service' ? { ...step, action: { ssh: { run: 'false', timeoutMs: 60_000 } } } : step,
    );
    const { changes } = diffPlans(before, { ...before, program: program.filter(({ id }) => id !== 'verify') });
    expect(changes.map(({ what }) => what)).toEqual(['step service-1', 'step verify']);
    expect(changes[0]?.before).toContain('true');
    expect(changes[0]?.now).toContain('false');
    expect(changes[1]).toMatchObject({ now: 'gone' });
  });

  it('are the times that were measured meanwhile', () => {
    const takes = { p50Ms: 480_000, p95Ms: 600_000, measured: 12, group: 'kernel' };
    const servers = before.servers.map((server) => ({ ...server, takes }));
    expect(diffPlans(before, { ...before, servers }).changes).toEqual([
      { what: 'time per server', before: 'not predicted', now: '8 min (p95 10 min)' },
    ]);
  });
});
