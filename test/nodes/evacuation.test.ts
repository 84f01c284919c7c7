/**
 * A run of the product over three servers with ten pods, from the plan to the rebalancing: everything leaves alive, servers reboot,
 * pods come back alive, and no client of any of them sees more of it than a pause.
 */
import { stringify } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HistoryEntry } from '../../src/api/client.ts';
import { serversImage } from '../../src/lab/nodes/images.ts';
import type { ClientKind, ClientProcess } from '../../src/lab/nodes/clients/client-process.ts';
import { containers, type LabContainer } from '../../src/lab/nodes/workloads.ts';
import type { RunView } from '../../src/workflow/run-view.ts';
import { isPodReady, type PodObject } from '../../src/simulator/kubernetes/objects.ts';
import { planText, runEnded } from '../slow/installation.ts';
import { restartsOf } from './harness.ts';
import { InstalledLab, prepared, prepareKernel } from './installed.ts';
import { leftoversOfMoves } from './traces.ts';

const minuteMs = 60_000;
const runMs = 15 * minuteMs;
let installed: InstalledLab;

/** Two servers need the reboot, the third has had it already: it only takes pods. */
const playbook = stringify({
  apiVersion: 'pitcrew.dev/v1',
  kind: 'Playbook',
  metadata: { name: 'reboot-where-needed' },
  spec: {
    needed: [{ ssh: { run: '[ "$(hostname)" != node-c ]', needed: 'exit 0', timeout: '1m' } }],
    service: [{ reboot: { ladder: ['ssh', 'bmc-soft', 'bmc-cycle'], timeout: '3m' } }],
    verify: [{ units: { failed: 0 } }, { sel: { newCritical: 0 } }, { sensors: 'ok' }],
  },
});
const plan = planText('patch', {
  playbook: 'reboot-where-needed',
  targets: { matchLabels: { role: 'worker' } },
  rollout: { maxUnavailable: 1, waves: [{ servers: 1 }, { servers: 1 }, { servers: 1 }] },
  evacuation: { prefer: ['live'], rules: [{ match: { namespaces: ['default'] }, restart: 'never' }], timeout: '10m' },
  rebalance: { policy: 'spread', maxMoves: 3 },
});

beforeAll(async () => {
  const documents = { 'playbook.yaml': playbook, 'plan.yaml': plan };
  installed = await InstalledLab.start({ documents, lab: { names: ['node-a', 'node-b', 'node-c'], ...prepared } });
  await prepareKernel(installed.test);
}, 20 * minuteMs);
afterAll(async () => {
  await installed.stop();
}, 2 * minuteMs);

/** A fifteenth of a server's memory each: ten are enough to make the servers uneven. */
function sized(container: LabContainer): unknown {
  return { ...container, resources: { requests: { cpu: '500m', memory: '1600Mi' } } };
}

/** Ten pods of five kinds, all on one server, by name. */
async function startPods(): Promise<PodObject[]> {
  const { test } = installed;
  for (const name of ['node-b', 'node-c']) test.cordon(name, true);
  const counting = 'n=0; while :; do n=$((n+1)); echo $n >/shared/count; sleep 0.1; done';
  const shared = [{ name: 'shared', mountPath: '/shared' }];
  const counter = { name: 'counter', image: serversImage, command: ['sh', '-c', counting], volumeMounts: shared };
  test.statefulSet('redis', { containers: [sized(containers.redis)] }, 3);
  test.replicaSet('echo', { containers: [sized(containers.echo)] }, 3);
  test.statefulSet('forking', { containers: [sized(containers.forking)] }, 2);
  const volumes = [{ name: 'shared', emptyDir: {} }];
  test.statefulSet('pair', { containers: [sized(containers.echo), counter], volumes });
  test.pod('bare', { containers: [sized(containers.echo)] }, { labels: { app: 'bare' } });
  await test.until('ten pods are Ready', () => {
    const pods = test.pods();
    return pods.length === 10 && pods.every(isPodReady);
  });
  for (const name of ['node-b', 'node-c']) test.cordon(name, false);
  return test.pods().toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

function clientOf({ metadata }: PodObject): ClientKind {
  const app = metadata.labels?.['app'];
  if (app === 'redis') return { kind: 'redis', megabytes: 40, writtenMegabytesPerSecond: 2 };
  return app === 'forking' ? { kind: 'forking', connections: 10 } : { kind: 'echo', connections: 20 };
}

function addressesOf(pods: readonly PodObject[]): string[] {
  return pods.map(({ status }) => status.podIP ?? '').sort();
}

interface MoveSeen {
  readonly uid: string;
  readonly pod: string;
  readonly from: string;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly end: string;
  readonly freezeMs: number;
}

/** Every move in the journal of a run, those of the rebalancing, too; in the order in which they ended. */
function movesIn(history: readonly HistoryEntry[]): MoveSeen[] {
  const underWay = new Map<string, { pod: string; from: string; beganMs: number }>();
  const moves: MoveSeen[] = [];
  for (const { event, server = '', atMs } of history) {
    const started = event.kind === 'rebalanceMoveStarted' ? event.move : event;
    const change = event.kind === 'rebalanceMoveChanged' ? event.change : event;
    if (started.kind === 'moveStarted') {
      const from = event.kind === 'rebalanceMoveStarted' ? event.from : server;
      underWay.set(started.pod.uid, { pod: started.pod.name, from, beganMs: atMs });
    }
    if (change.kind !== 'moveFinished') continue;
    const { uid } = change.pod;
    const begun = underWay.get(uid);
    if (!begun) throw new Error(`a move ended that never began: ${JSON.stringify(change)}`);
    const { kept = '', freezeMs = Number.NaN } = change.evidence ?? {};
    moves.push({ uid, ...begun, endedMs: atMs, end: `${change.result}, kept ${kept}`, freezeMs });
  }
  return moves;
}

/** The greatest number of moves that were on their way from one server at the same time. */
function mostAtOnce(moves: readonly MoveSeen[]): number {
  const overlapping = (move: MoveSeen): number =>
    moves.filter(
      ({ from, beganMs, endedMs }) => from === move.from && beganMs <= move.beganMs && endedMs > move.beganMs,
    ).length;
  return Math.max(0, ...moves.map(overlapping));
}

async function run(): Promise<{ view: RunView; moves: readonly MoveSeen[] }> {
  const client = await installed.client();
  const { runId } = await client.start('patch');
  const view = await runEnded(client, runId, runMs - 2 * minuteMs);
  const moves = movesIn(await client.history(runId));
  const freezes = moves.map(({ pod, freezeMs }) => `${pod} ${freezeMs}`).join(', ');
  console.log(`${(await installed.pitcrew('status', runId)).stdout}\nstood still for (ms): ${freezes}`);
  return { view, moves };
}

describe('a run over servers full of pods', () => {
  it(
    'empties, reboots and refills them, and every client keeps its connection',
    { timeout: runMs },
    async (context) => {
      context.onTestFailed(async () => console.log(await installed.daemon.log()));
      const { test } = installed;
      const servers = [...test.lab.servers.values()];
      const before = await startPods();
      const bootIds = servers.map(({ bootId }) => bootId);
      const clients: { pod: string; client: ClientProcess }[] = [];
      for (const pod of before) clients.push({ pod: pod.metadata.name, client: await test.client(clientOf(pod), pod) });

      const { view, moves } = await run();

      const faults: string[] = [];
      for (const { pod, client } of clients) {
        const report = await client.stop();
        expect(report.answers).toBeGreaterThan(100);
        faults.push(...report.faults.map((fault) => `${pod}: ${fault}`));
      }
      const after = test.pods();
      const restarted = after.filter((pod) => restartsOf(pod) !== 0).map(({ metadata }) => metadata.name);
      const found = { status: view.status, reason: view.reason, faults, restarted };
      expect(found).toEqual({ status: 'done', reason: '', faults: [], restarted: [] });
      expect(addressesOf(after)).toEqual(addressesOf(before));
      // The journal says of each of the ten what it kept, under the limit of one at a time.
      const evacuated = moves.filter(({ from }) => from === 'node-a').map(({ pod }) => pod);
      expect(evacuated.toSorted().slice(0, 10)).toEqual(before.map(({ metadata }) => metadata.name));
      expect(new Set(moves.map(({ end }) => end))).toEqual(new Set(['done, kept everything']));
      expect(mostAtOnce(moves)).toBe(1);
      expect(servers.map(({ bootId }, index) => bootId !== bootIds[index])).toEqual([true, true, false]);
      const { moved, failed, before: uneven, now } = view.rebalance ?? {};
      expect([moved, failed]).toEqual([expect.toSatisfy((count: number) => count > 0), 0]);
      expect(now?.points).toBeLessThan(uneven?.points ?? 0);
      expect(await leftoversOfMoves(test.lab)).toEqual([]);
    },
  );
});
