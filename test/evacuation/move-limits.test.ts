import { describe, expect, it } from 'vitest';
import { arrivingBy, isTargetFull, whyNotNow, type MoveUnderWay } from '../../src/evacuation/move-limits.ts';
import { pod } from '../workflow/fixtures.ts';
import { limitsOf, MaintenancePlan, type MoveLimits } from '../../src/spec/plan.ts';

function limits(written?: object): MoveLimits {
  const evacuation = written && { limits: written };
  const spec = { playbook: 'p', targets: {}, evacuation: evacuation ?? {} };
  const plan = { apiVersion: 'pitcrew.dev/v1', kind: 'MaintenancePlan', metadata: { name: 'p' }, spec };
  const policy = MaintenancePlan.parse(plan).spec.evacuation;
  if (!policy) throw new Error('no policy');
  return limitsOf(policy);
}

const move = (change: Partial<MoveUnderWay> = {}): MoveUnderWay => ({
  source: 'a',
  target: 'b',
  mover: 'criu',
  isLive: true,
  pod: { namespace: 'shop', name: 'db-0', uid: 'u' },
  budgets: [],
  ...change,
});

function why(underWay: readonly MoveUnderWay[], change: Partial<Parameters<typeof whyNotNow>[0]> = {}) {
  return whyNotNow({
    source: 'a',
    mover: 'criu',
    budgets: ['shop/db'],
    limits: limits(),
    moverLimits: {},
    underWay,
    ...change,
  });
}

describe('a live move', () => {
  it('begins where nothing is under way', () => {
    expect(why([])).toBeUndefined();
  });

  it('waits while another one leaves its server, unless the plan allows more', () => {
    expect(why([move()])).toMatch(/1 at once leave a alive/);
    expect(why([move()], { limits: limits({ perServer: 2 }) })).toBeUndefined();
  });

  it('does not mind restarts, nor live moves from other servers', () => {
    expect(why([move({ isLive: false }), move({ source: 'c' })])).toBeUndefined();
  });

  it('never goes beyond what its mover puts up with, whatever the plan allows', () => {
    const many = { limits: limits({ perServer: 5 }), mover: 'kubevirt' };
    const two = [move({ mover: 'kubevirt' }), move({ mover: 'kubevirt', source: 'c' })];
    expect(why(two, { ...many, moverLimits: { perServer: 1 } })).toMatch(/1 at once leave a/);
    expect(why(two, { ...many, moverLimits: { perCluster: 2 } })).toMatch(/kubevirt moves 2 at once/);
    expect(why(two, { ...many, mover: 'paguro', moverLimits: { perCluster: 2 } })).toBeUndefined();
  });

  it('counts all of the cluster', () => {
    const eight = Array.from({ length: 8 }, (_, index) => move({ source: `s${index}` }));
    expect(why(eight)).toMatch(/8 at once move alive in the cluster/);
    expect(why(eight, { limits: limits({ perCluster: 9 }) })).toBeUndefined();
  });

  it('waits while another pod of its budget is on its way, restarted or alive', () => {
    expect(why([move({ source: 'c', isLive: false, budgets: ['shop/db'] })])).toMatch(/another pod of budget shop.db/);
    expect(why([move({ source: 'c', budgets: ['shop/web'] })])).toBeUndefined();
  });

  it('finds a target full at the limit', () => {
    expect(isTargetFull('b', limits(), [move()])).toBe(false);
    expect(isTargetFull('b', limits(), [move(), move({ source: 'c' })])).toBe(true);
    expect(isTargetFull('b', limits({ perTarget: 3 }), [move(), move({ source: 'c' })])).toBe(false);
  });
});

describe('limits in a plan', () => {
  it.each([
    [{ perServer: 0 }, /perServer/],
    [{ perTarget: 1.5 }, /perTarget/],
    [{ perNode: 1 }, /perNode/],
  ])('refuse %j', (written, named) => {
    expect(() => limits(written)).toThrow(named);
  });
});

describe('a pod that moves alive', () => {
  const db = pod({ uid: 'u', name: 'db-0' });

  it('takes room where it goes to from the beginning on, whoever moves it', () => {
    expect(arrivingBy([move(), move({ target: '', pod: { ...db, uid: 'v' } })], [db])).toEqual(new Map([['b', [db]]]));
  });

  it('takes none any more once nothing of it is left on its source', () => {
    expect(arrivingBy([move()], [])).toEqual(new Map());
  });
});
