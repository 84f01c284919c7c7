/** What is said of a run before it is started, on small fleets and in virtual time. */
import { describe, expect, it } from 'vitest';
import type { BudgetView } from '../../src/cluster/budget.ts';
import type { NodeView } from '../../src/cluster/node.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { MoveOptions } from '../../src/evacuation/move-options.ts';
import { previewPlan, type PlanPreview } from '../../src/planner/preview.ts';
import type { LearnedTimes, Quantiles } from '../../src/planner/times.ts';
import { renderExplanation } from '../../src/cli/render/explanation.ts';
import { ms } from '../schedule/schedules.ts';
import { plan, playbook } from '../simulation/harness.ts';
import { pod, runServer } from '../workflow/fixtures.ts';
import { fleetNode, fleetView } from './fleet.ts';

const minuteMs = 60_000;
const opensMs = ms('2026-11-28T21:00Z');
const gib = 2 ** 30;

/** Movers as they are installed everywhere. */
const moves: MoveOptions = {
  closedFor: () => ({ live: 'no live mover is installed' }),
  choose: (_, [way]) => way && { way, mover: way, promise: 'nothing: restart', predictedMs: 30_000 },
};

interface Given {
  readonly spec?: Record<string, unknown>;
  readonly nodes?: NodeView[];
  readonly pods?: PodView[];
  readonly budgets?: BudgetView[];
  readonly learned?: LearnedTimes;
  readonly nowMs?: number;
}

const names = ['a', 'b', 'c', 'd'];

function preview({ spec = {}, nodes, pods = [], budgets = [], learned, nowMs = opensMs }: Given = {}): PlanPreview {
  return previewPlan({
    plan: plan(spec),
    playbook: playbook(),
    servers: names.map((name) => ({ ...runServer(name), labels: { role: 'worker' } })),
    view: fleetView(nodes ?? names.map((name) => fleetNode(name)), pods, { budgets }),
    digest: 'd',
    moves,
    learned: learned ?? { groups: {}, movers: {} },
    runId: 'r',
    startedBy: 'me',
    nowMs,
  });
}

const windows = (lasts: string) => [{ opens: '0 22 * * SAT', lasts, timeZone: 'Europe/Berlin' }];
const scheduled = (lasts: string, more: Record<string, unknown> = {}) => ({
  schedule: { windows: windows(lasts), estimate: '20m', ...more },
});
const neverMet: BudgetView = {
  namespace: 'shop',
  name: 'db',
  selector: { matchLabels: { app: 'db' } },
  disruptionsAllowed: 0,
  currentHealthy: 1,
  desiredHealthy: 1,
  expectedPods: 1,
  asks: 'minAvailable 1',
  unhealthyPodEvictionPolicy: 'IfHealthyBudget',
};
const database = pod({
  name: 'db-0',
  uid: 'db-0',
  node: 'b',
  labels: { app: 'db' },
  owner: { kind: 'StatefulSet', name: 'db', uid: 's' },
});

describe('the forecast', () => {
  it('says how much of the window is to spare, by the end of the last server', () => {
    const { forecast } = preview({ spec: scheduled('2h') });
    expect(forecast).toMatchObject({ fromMs: opensMs, later: { p50: 0, p95: 0 }, never: 0 });
    expect(forecast.toMs).toEqual({ p50: opensMs + 80 * minuteMs, p95: opensMs + 80 * minuteMs });
    expect(forecast.opening?.toMs).toBe(opensMs + 120 * minuteMs);
  });

  it('says how many have to wait for a later window', () => {
    const { forecast, servers } = preview({ spec: scheduled('45m'), nowMs: opensMs - minuteMs });
    expect(forecast).toMatchObject({ fromMs: opensMs, later: { p50: 2, p95: 2 }, never: 0 });
    expect(servers.find(({ name }) => name === 'c')?.fromMs).toBe(opensMs + 7 * 24 * 60 * minuteMs);
  });

  it('goes by measured times where there are any, with the slow ones beside them, and says so', () => {
    const total: Quantiles = { p50Ms: 10 * minuteMs, p95Ms: 25 * minuteMs, measured: 41 };
    const steps = 'prepare cordon evacuate service-1 reboot-2 rejoin verify return';
    const learned: LearnedTimes = {
      groups: { [`kernel (${steps})`]: { ...total, steps: {} } },
      movers: { surge: { p50Ms: 7_000, p95Ms: 9_000, measured: 30 } },
    };
    const { forecast, pods, definition } = preview({ spec: scheduled('90m'), learned, pods: [pod()] });
    expect(forecast.toMs).toEqual({
      p50: opensMs + 40 * minuteMs,
      p95: opensMs + 7 * 24 * 60 * minuteMs + 25 * minuteMs,
    });
    expect(forecast.later).toEqual({ p50: 0, p95: 1 });
    expect(forecast.sources).toEqual([{ servers: 4, takes: { ...total, group: 'kernel' } }]);
    expect(pods[0]).toMatchObject({ way: 'surge', predictedMs: 7_000 });
    // What the run will be started with.
    expect(definition.servers[0]?.takes).toEqual({ ...total, group: 'kernel' });
  });

  it('says why a pod is not moved alive where the plan would have it so, and nothing where it would not', () => {
    const notAlive = (prefer: string[]) =>
      preview({ spec: { evacuation: { prefer } }, pods: [pod()] }).pods[0]?.notAlive;
    expect(notAlive(['live', 'surge'])).toBe('no live mover is installed');
    expect(notAlive(['surge', 'evict'])).toBeUndefined();
  });

  it('names as the limit what stands in the plan', () => {
    const limits = (rollout: Record<string, unknown>) => preview({ spec: { rollout } }).waves.map(({ limit }) => limit);
    expect(limits({ maxUnavailable: 2 })).toEqual(['maxUnavailable 2']);
    expect(limits({ maxUnavailable: 2, maxParallel: 1 })).toEqual(['maxParallel 1']);
  });

  it('keeps servers apart whose pods would find no room together', () => {
    const nodes = names.map((name) => fleetNode(name, { memoryGib: 10 }));
    const pods = names.map((node) =>
      pod({ name: `web-${node}`, uid: node, node, requests: { ...pod().requests, memoryBytes: 4 * gib } }),
    );
    const { waves, pods: shown } = preview({ spec: { rollout: { maxUnavailable: 4 } }, nodes, pods });
    expect(waves[0]?.atOnce).toBe(2);
    expect(waves[0]?.limit).toContain('memory');
    expect(names.filter((name) => name !== 'a')).toContain(shown[0]?.target);
  });

  it('does not depend on the order of the input', () => {
    const pods = names.flatMap((node) =>
      ['x', 'y'].map((name) => pod({ name: `${name}-${node}`, uid: `${node}${name}`, node })),
    );
    const nodes = names.map((name) => fleetNode(name));
    const given = { spec: { rollout: { maxUnavailable: 2 } }, budgets: [neverMet] };
    const there = preview({ ...given, nodes, pods });
    expect(preview({ ...given, nodes: nodes.toReversed(), pods: pods.toReversed() })).toEqual(there);
  });
});

describe('a server with a blocker', () => {
  it('is left out, with the reason and whom to ask, and the others go on without it', () => {
    const { definition, forecast, waves, pods } = preview({ pods: [database], budgets: [neverMet] });
    expect(definition.servers.map(({ leftOut }) => leftOut)).toEqual([
      undefined,
      { because: expect.stringContaining('shop/db-0: budget db can never be met') as string, owner: 'budget shop/db' },
      undefined,
      undefined,
    ]);
    expect(forecast.toMs?.p50).toBe(opensMs + 90 * minuteMs);
    expect(waves[0]?.servers).toBe(3);
    expect(pods).toMatchObject([{ verdict: 'blocked', owner: 'budget shop/db' }]);
  });

  it.each([
    ['somebody', { kind: 'foreign' }, 'cordoned by somebody else'],
    ['an earlier run', { kind: 'ours', runId: 'r0', reason: '' }, 'cordoned by run r0'],
  ] as const)('is one that %s has cordoned: it is not ours to reboot', (_, cordon, because) => {
    const nodes = names.map((name) => ({ ...fleetNode(name), ...(name === 'c' ? { cordon } : {}) }));
    const { servers, warnings } = preview({ nodes });
    expect(servers.find(({ name }) => name === 'c')?.leftOut?.because).toBe(because);
    // It counts all the same, and the budget is one.
    expect(warnings).toEqual(['3 servers cannot start as things are: budget 1, 1 of it down already (down: c)']);
  });

  it('leaves nothing to do where every server has one', () => {
    const pods = names.map((node) => pod({ name: node, uid: node, node, owner: undefined }));
    expect(preview({ pods }).warnings).toEqual(['every server is left out: nothing would be done']);
  });
});

describe('a warning before the run', () => {
  it.each<[string, Given, string]>([
    ['a budget of zero', { spec: { rollout: { maxUnavailable: 0 } } }, 'maxUnavailable is 0: no server will start'],
    ['no places at once', { spec: { rollout: { maxParallel: 0 } } }, 'maxParallel is 0: no server will start'],
    [
      'blackouts that cover every window',
      {
        spec: scheduled('2h', {
          blackouts: [{ from: '2026-01-01', to: '2099-12-31', timeZone: 'Europe/Berlin', reason: 'freeze' }],
        }),
      },
      'no window that blackouts leave any of opens within ten years: no server will start',
    ],
    [
      'an estimate that is longer than every window',
      { spec: scheduled('15m') },
      'no window is long enough for a, b, c and 1 more: up to 20 min for one server',
    ],
    [
      'a server that is down, and takes the only place',
      { nodes: names.map((name) => ({ ...fleetNode(name), ready: name !== 'd' })) },
      'not Ready now, and maintained all the same: d',
    ],
  ])('%s', (_, given, text) => {
    expect(preview(given).warnings).toContain(text);
  });

  it('says that nothing would be done, where no server could ever be emptied, and of each which pod finds no place', () => {
    const nodes = names.map((name) => fleetNode(name, { memoryGib: 5 }));
    const pods = names.map((node) =>
      pod({ name: `web-${node}`, uid: node, node, requests: { ...pod().requests, memoryBytes: 4 * gib } }),
    );
    const { warnings, servers } = preview({ nodes, pods });
    expect(warnings).toEqual(['every server is left out: nothing would be done']);
    expect(servers[0]?.leftOut?.because).toContain('shop/web-a (100m CPU, 4 GiB memory) fits nowhere');
  });

  it('is not given where all is well', () => {
    expect(preview({ pods: [pod()] }).warnings).toEqual([]);
  });
});

describe('what is said of one server', () => {
  const exists = { operator: 'Exists' };
  const on = (name: string, change: Partial<PodView>): PodView => pod({ name, uid: name, node: 'a', ...change });
  const replica = { kind: 'ReplicaSet', name: 'web-1', uid: 'rs' };
  const volume = (kind: 'emptyDir' | 'hostPath'): PodView['volumes'] => [{ name: 'v', kind }] as never;
  const explained = (pods: PodView[], spec: Record<string, unknown> = {}, budgets: BudgetView[] = []): string[] => {
    const view = { nowMs: opensMs, width: 200, color: false, timeZone: 'Europe/Berlin' };
    const lines = renderExplanation(preview({ pods, spec, budgets }), 'a', view).split('\n');
    return lines.slice(lines.indexOf('') + 1).map((line) => line.trim().replaceAll(/ {2,}/g, ' | '));
  };

  it('is one sentence for the pod of each verdict', () => {
    const evacuation = { prefer: ['live', 'surge', 'evict'] };
    expect(
      explained(
        [
          on('agent', { owner: { kind: 'DaemonSet', name: 'agent', uid: 'd' } }),
          on('leaving', { leaving: true }),
          on('tolerant', { tolerations: [exists] }),
          on('web', { owner: replica, labels: { 'pod-template-hash': 'h' }, volumes: volume('hostPath') }),
          on('db', { owner: { kind: 'StatefulSet', name: 'db', uid: 's' } }),
        ],
        { evacuation },
      ),
    ).toMatchInlineSnapshot(`
      [
        "shop/db | moves | restart: evicted, and made anew elsewhere · to d · about 30s · not alive: no live mover is installed",
        "shop/web | moves | surge: another one is Ready before it goes · to d · about 30s · not alive: its hostPath volume does not move along",
        "it uses a hostPath volume: what lies there stays on this server",
        "shop/agent | stays | of a DaemonSet: it belongs to its server",
        "shop/leaving | waits | it is on its way out already",
        "shop/tolerant | stays | evicted it would come straight back · it tolerates the cordon: it stays and goes down with the server",
      ]
    `);
  });

  it('is everything that is in the way of a blocked pod, and whose owner can help', () => {
    const rules = [{ match: { labels: { app: 'db' } }, restart: 'never' }];
    const pods = [
      on('bare', { owner: undefined }),
      on('cache', { owner: replica, volumes: volume('emptyDir') }),
      on('db', { labels: { app: 'db' }, owner: { kind: 'StatefulSet', name: 'db', uid: 's' }, hostNetwork: true }),
      on('marked', { owner: replica, annotations: { 'karpenter.sh/do-not-disrupt': 'true' } }),
      on('two', { labels: { app: 'two' }, owner: replica }),
    ];
    const budget = (name: string): BudgetView => ({ ...neverMet, name, selector: { matchLabels: { app: 'two' } } });
    const spec = { evacuation: { prefer: ['live', 'surge', 'evict'], rules } };
    expect(explained(pods, spec, [budget('all'), budget('some')])).toMatchInlineSnapshot(`
      [
        "shop/bare | blocked | bare pod: nobody would make it anew (evacuation.barePods: block); no live mover is installed · ask the owner of pod shop/bare",
        "shop/cache | blocked | emptyDir data would be lost (evacuation.localData: keep); no live mover is installed · ask the owner of ReplicaSet shop/web-1",
        "shop/db | blocked | the plan never restarts it; its host network does not move along · ask the owner of StatefulSet shop/db",
        "shop/marked | blocked | never restarted, for it is marked karpenter.sh/do-not-disrupt: true; no live mover is installed · ask the owner of ReplicaSet shop/web-1",
        "shop/two | blocked | it has more than one budget (all and some): Kubernetes refuses every eviction; no live mover is installed · ask the owner of budgets shop/all and shop/some",
      ]
    `);
  });
});
