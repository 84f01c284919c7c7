import { describe, expect, it } from 'vitest';
import { applyRunEvent, createRun } from '../../src/workflow/run-state.ts';
import { viewRun } from '../../src/workflow/view-run.ts';
import { definition, runServer } from './fixtures.ts';

const minuteMs = 60_000;
const takes = (minutes: number, measured: number) => ({
  p50Ms: minutes * minuteMs,
  p95Ms: 2 * minutes * minuteMs,
  measured,
  group: 'kernel',
});

describe('the end of a run that has just begun', () => {
  const servers = ['a', 'b', 'c', 'd'].map((name) => runServer(name));

  it('is reckoned from the times that were measured when it was started', () => {
    const planned = servers.map((server, index) => ({ ...server, takes: takes(index < 2 ? 10 : 20, 9) }));
    const begun = createRun(definition({ servers: planned, maxUnavailable: 2 }), 0);
    expect(viewRun(begun, new Map(), minuteMs).endsAboutMs).toBe(31 * minuteMs);
  });

  it('is not made up where nobody has measured', () => {
    const planned = servers.map((server) => ({ ...server, takes: takes(30, 0) }));
    expect(viewRun(createRun(definition({ servers: planned }), 0), new Map(), 0).endsAboutMs).toBeUndefined();
    expect(viewRun(createRun(definition({ servers }), 0), new Map(), 0).endsAboutMs).toBeUndefined();
  });

  it('counts no server that was left out', () => {
    const leftOut = { because: 'shop/db-0: bare pod', owner: '' };
    const planned = servers.map((server) => ({
      ...server,
      takes: takes(10, 9),
      ...(server.name === 'd' && { leftOut }),
    }));
    const begun = createRun(definition({ servers: planned }), 0);
    const run = applyRunEvent(begun, { kind: 'waveStarted', wave: 0 }, 1);
    const view = viewRun(run, new Map(), 0);
    expect(view.endsAboutMs).toBe(30 * minuteMs);
    expect(view.counts).toMatchObject({ total: 4, skipped: 1 });
    expect(view.servers[3]).toMatchObject({ phase: 'skipped', reason: 'left out: shop/db-0: bare pod' });
  });
});
