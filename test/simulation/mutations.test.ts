/**
 * The checker is trusted only because it notices: for each invariant the guard that keeps it is taken out of the engine, or
 * lied to, and the checker names that invariant and no other. The same seeds with the guard in place are without fault.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ownerAnnotation } from '../../src/cluster/node.ts';
import { parseNode } from '../../src/cluster/parse.ts';
import type { Lease } from '../../src/ports/leases.ts';
import type { Journal, JournalEntry } from '../../src/ports/journal.ts';
import { ApiClient } from '../../src/simulator/cluster-client.ts';
import { adminUser } from '../../src/simulator/kubernetes/access.ts';
import type { RunState } from '../../src/workflow/run-state.ts';
import { around } from './around.ts';
import type { Invariant } from './checker.ts';
import { recoverAt } from './recovery.ts';
import { tell, type Lie } from './swarm.ts';

/** Which guard is out just now. */
const mutant = vi.hoisted(() => ({ name: '' }));
afterEach(() => {
  mutant.name = '';
});

vi.mock(import('../../src/workflow/decide-run.ts'), async (original) => {
  const actual = await original();
  const unlimited = (run: RunState): RunState => ({
    ...run,
    definition: { ...run.definition, maxUnavailable: 100, maxParallel: 100 },
  });
  return {
    ...actual,
    decideRun: (run, seen) => {
      const decision = actual.decideRun(mutant.name === 'no budget' ? unlimited(run) : run, seen);
      if (mutant.name !== 'no reason') return decision;
      const events = decision.events.map((event) => (event.kind === 'runEnded' ? { ...event, reason: '' } : event));
      return { ...decision, events };
    },
  };
});
vi.mock(import('../../src/workflow/window.ts'), async (original) => {
  const actual = await original();
  return { ...actual, windowHold: (...args) => (mutant.name === 'no window' ? undefined : actual.windowHold(...args)) };
});
vi.mock(import('../../src/engine/availability.ts'), async (original) => {
  const actual = await original();
  const isOut = (): boolean => mutant.name === 'no budget' || mutant.name === 'no last look at the budget';
  return { ...actual, budgetHold: (...args) => (isOut() ? undefined : actual.budgetHold(...args)) };
});
vi.mock(import('../../src/workflow/run-state.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    applyRunEvent: (state, event, atMs) => {
      const next = actual.applyRunEvent(state, event, atMs);
      if (mutant.name !== 'a failure frees the place' || event.kind !== 'serverEnded') return next;
      return { ...next, admitted: new Set([...next.admitted].filter((server) => server !== event.server)) };
    },
  };
});
vi.mock(import('../../src/steps/emptiness.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    assertEmpty: (context) => (mutant.name === 'no look at pods' ? Promise.resolve() : actual.assertEmpty(context)),
  };
});
vi.mock(import('../../src/steps/verify.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    advanceVerify: (step, context) =>
      mutant.name === 'no verification'
        ? Promise.resolve({ kind: 'finished', evidence: {} })
        : actual.advanceVerify(step, context),
  };
});
vi.mock(import('../../src/workflow/definition.ts'), async (original) => {
  const actual = await original();
  return { ...actual, isPastReturn: (kind) => mutant.name !== 'always a way back' && actual.isPastReturn(kind) };
});
vi.mock(import('../../src/steps/cordon.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    liftCordon: (context, runId) =>
      mutant.name === 'cordons stay' ? Promise.resolve('notCordoned') : actual.liftCordon(context, runId),
    holdNodeLease: (context) =>
      mutant.name === 'no renewed lease' && context.state.steps['cordon']?.kind === 'finished'
        ? Promise.resolve(undefined)
        : actual.holdNodeLease(context),
  };
});
vi.mock(import('../../src/engine/pending.ts'), async (original) => {
  const actual = await original();
  return { ...actual, pendingChanges: (...args) => (mutant.name === 'no marks' ? [] : actual.pendingChanges(...args)) };
});
vi.mock(import('../../src/steps/run-script.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    runAction: async (context, step, index, action) => {
      if (mutant.name !== 'commands without intent' || !('ssh' in action) || !('run' in action.ssh)) {
        return actual.runAction(context, step, index, action);
      }
      const { definition, server, clock, shell, signal } = context;
      const id = `${definition.runId}.${server.name}.${step}.${index}.anew${clock.nowMs()}`;
      await shell.run({ id, script: action.ssh.run, timeoutMs: action.ssh.timeoutMs }, signal);
    },
  };
});
vi.mock(import('../../src/workflow/power.ts'), async (original) => {
  const actual = await original();
  return {
    ...actual,
    powerNeed: (log, power) => {
      const need = actual.powerNeed(log, power);
      return mutant.name === 'off and on for ever' && need === 'none' ? 'off' : need;
    },
  };
});
vi.mock(import('../../src/movers/evict.ts'), async (original) => {
  const actual = await original();
  const evictOnce: typeof actual.evictOnce = async (cluster, pod, signal) => {
    if (mutant.name !== 'evicts what is leaving') return actual.evictOnce(cluster, pod, signal);
    const now = await cluster.readPod(pod, signal);
    if (now?.uid !== pod.uid) return { kind: 'done', evidence: { kept: 'nothing: restart' } };
    await cluster.evict(pod, signal);
    return { kind: 'cutover', note: '', isCommitted: true };
  };
  class EvictMover extends actual.EvictMover {
    readonly #cluster: ConstructorParameters<typeof actual.EvictMover>[0];
    constructor(cluster: ConstructorParameters<typeof actual.EvictMover>[0]) {
      super(cluster);
      this.#cluster = cluster;
    }
    override advance(...[order, { signal }]: Parameters<InstanceType<typeof actual.EvictMover>['advance']>) {
      return evictOnce(this.#cluster, order.pod, signal);
    }
  }
  return { ...actual, evictOnce, EvictMover };
});

/** As after stalls of the queue: half of everything is handled by two at once. */
const stalls: Lie = (doors, { wakeUps }) => {
  wakeUps.faults.duplicateShare = 0.5;
  return doors;
};

/** A node’s Lease that lasts not much longer than it takes to be renewed, so that stories need not last for hours. */
const shortNodeLeases: Lie = (doors) => ({
  ...doors,
  cluster: new Proxy(doors.cluster, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      return (...args: unknown[]): unknown =>
        Reflect.apply(member, target, property === 'holdNodeLease' ? args.with(2, 700) : args);
    },
  }),
});

/** Two believe that they have the server: the journal takes the token of either. */
const leasesForAll: Lie = (doors, { table }) => ({
  ...doors,
  leases: {
    holders: () => doors.leases.holders(),
    acquire: async (name) => {
      const answer = await doors.leases.acquire(name);
      if (!('heldBy' in answer)) return answer;
      let token = 1;
      while (!table.isHeld(name, token)) token += 1;
      const lease: Lease = {
        name,
        holder: answer.heldBy,
        token,
        lost: new AbortController().signal,
        release: () => Promise.resolve(),
      };
      return lease;
    },
  },
});

/** Lifts whatever cordon there is. */
const liftsAnything: Lie = (doors, { world }) => {
  const admin = new ApiClient(world.api, adminUser);
  const uncordon = async (node: unknown): Promise<void> => {
    const path = `/api/v1/nodes/${String(node)}`;
    const isForeign = parseNode(admin.read(path)).cordon.kind === 'foreign';
    if (isForeign) admin.patch(path, 'merge', { spec: { unschedulable: null } });
  };
  return { ...doors, cluster: around(doors.cluster, { uncordon }) };
};

/** Cordons, and leaves no name. */
const cordonsWithoutName: Lie = (doors, { world }) => {
  const admin = new ApiClient(world.api, adminUser);
  const cordon = async (node: unknown): Promise<() => Promise<void>> => {
    const annotations = { [ownerAnnotation]: null };
    return async () => admin.patch(`/api/v1/nodes/${String(node)}`, 'merge', { metadata: { annotations } });
  };
  return { ...doors, cluster: around(doors.cluster, { cordon }) };
};

/** What was noted before the reboot is not there any more for whoever comes after. */
const forgetsNotes: Lie = (doors) => ({
  ...doors,
  journal: new Proxy(doors.journal, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      if (property !== 'read') return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      return async (...args: Parameters<Journal['read']>): Promise<JournalEntry[]> =>
        (await target.read(...args)).map((entry) =>
          entry.event.kind === 'noted' && entry.event.step.startsWith('reboot')
            ? { ...entry, event: { kind: 'holdChanged', hold: { kind: 'none' } } }
            : entry,
        );
    },
  }),
});

const honest: Lie = (doors) => doors;

/** The search begins at seed `from`, to be quick. The `setting` is there also while the guard is in its place. */
const mutations: readonly [invariant: Invariant, name: string, lie: Lie, setting?: Lie, from?: number][] = [
  ['1 budget', 'no budget', honest],
  ['1 budget', 'no last look at the budget', honest, honest, 115],
  ['2 lease', 'leases for all', leasesForAll, stalls],
  ['2 lease', 'no renewed lease', honest, shortNodeLeases, 118],
  ['3 protected pods', 'no look at pods', honest],
  ['4 uncordon', 'no verification', honest],
  ['4 uncordon', 'always a way back', honest],
  ['4 uncordon', 'lifts anything', liftsAnything, honest, 95],
  ['5 window', 'no window', honest],
  ['6 moved once', 'no marks', honest],
  ['6 moved once', 'evicts what is leaving', honest],
  ['7 one power cycle', 'off and on for ever', honest],
  ['7 one power cycle', 'commands without intent', honest],
  ['8 failed keeps its place', 'a failure frees the place', honest],
  ['9 ends and owners', 'cordons stay', honest],
  ['9 ends and owners', 'no reason', honest],
  ['9 ends and owners', 'cordons without a name', cordonsWithoutName],
];
/** A guard whose absence shows in none of these is not checked. */
const seeds = Number(process.env['SEEDS'] ?? 400);

/** The first seed in which anything is violated, and all that is violated in it; `from` is where it was last time. */
async function firstFault(lie: Lie, from: number): Promise<{ seed: number; invariants: string[] } | undefined> {
  for (let nth = 0; nth < seeds; nth += 1) {
    const seed = 1 + ((from - 1 + nth) % seeds);
    const { violations } = await tell(seed, lie);
    if (violations.length > 0) return { seed, invariants: [...new Set(violations.map(({ invariant }) => invariant))] };
  }
  return undefined;
}

describe('a guard that is taken out', () => {
  it.each(mutations)(
    'is missed by the checker: %s (%s)',
    { timeout: 300_000 },
    async (invariant, name, lie, setting = honest, from = 1) => {
      mutant.name = name;
      const fault = await firstFault((doors, simulation) => lie(setting(doors, simulation), simulation), from);
      mutant.name = '';
      console.log(`${name}: SEED=${fault?.seed}`);
      expect(fault?.invariants).toEqual([invariant]);
      const { violations } = await tell(fault?.seed ?? 1, setting);
      expect(violations).toEqual([]);
    },
  );

  it('is missed by the checker: 10 journal alone (a journal that forgets)', { timeout: 300_000 }, async () => {
    const whole = await recoverAt(undefined);
    const found = new Set<string>();
    let call = 0;
    for (call = 30; call < whole.entries && found.size === 0; call += 1) {
      const { violations } = await recoverAt({ method: 'append', call, effect: 'after' }, whole.end, forgetsNotes);
      for (const { invariant } of violations) found.add(invariant);
    }
    console.log(`a journal that forgets: killed at entry ${call - 1}`);
    expect([...found]).toEqual(['10 journal alone']);
    const { violations } = await recoverAt({ method: 'append', call: call - 1, effect: 'after' }, whole.end);
    expect(violations).toEqual([]);
  });
});
