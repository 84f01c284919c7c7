/** Every command of a person, over the real command line, against a real daemon and the lab's servers. */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ApiClient, HistoryEntry } from '../../src/api/client.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { Machine } from '../../src/simulator/machine.ts';
import type { PlanPreview } from '../../src/planner/preview.ts';
import type { RunView, ServerRow } from '../../src/workflow/run-view.ts';
import type { Ended } from './daemon.ts';
import { Installation, planText, quickServers, runEnded, until } from './installation.ts';

let installation: Installation;
let client: ApiClient;

/** One group of servers for each story, so that none of them depends on another. */
const groups: Readonly<Record<string, readonly string[]>> = {
  pausing: ['node-1'],
  approving: ['node-2', 'node-3'],
  stopping: ['node-4'],
  retrying: ['node-5'],
  skipping: ['node-6', 'node-7'],
};
const single = 'node-8';

function planOf(group: string): string {
  const waves = group === 'approving' ? [{ servers: 1, approval: 'required' }, { servers: '100%' }] : undefined;
  return planText(group, {
    playbook: 'kernel-update',
    targets: { matchLabels: { group } },
    rollout: { maxUnavailable: 2, maxParallel: 1, ...(waves && { waves }) },
    evacuation: { prefer: ['surge', 'evict'], localData: 'lose', timeout: '5m' },
  });
}

beforeAll(async () => {
  const groupOf = new Map(Object.entries(groups).flatMap(([group, names]) => names.map((name) => [name, group])));
  const special = Object.fromEntries([...groupOf].map(([name, group]) => [name, { labels: { group } }]));
  installation = await Installation.start({
    servers: quickServers(8, special),
    workloads: [
      // Enough of them for every server to have some, and slow enough for a person to come in between.
      { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 16, readyAfter: '3s', gracePeriodSeconds: 1 },
      { kind: 'daemonSet', name: 'exporter', namespace: 'monitoring' },
    ],
    rungTimeout: '4s',
  });
  for (const group of Object.keys(groups)) {
    await writeFile(path.join(installation.documents, `${group}.yaml`), planOf(group));
  }
  client = await (await installation.startDaemon()).client();
}, 120_000);
afterAll(async () => await installation.stop(), 60_000);

async function good(...words: string[]): Promise<Ended> {
  const ended = await installation.pitcrew(words);
  expect(ended).toMatchObject({ code: 0, stderr: expect.not.stringContaining('error') as string });
  return ended;
}

async function refused(code: number, ...words: string[]): Promise<string> {
  const ended = await installation.pitcrew(words);
  expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining('error: ') as string });
  return ended.stderr.replaceAll(/\s+/g, ' ');
}

async function start(plan: string): Promise<string> {
  const { stdout } = await good('start', plan, '-o', 'json');
  return (JSON.parse(stdout) as { runId: string }).runId;
}

function untilServer(runId: string, name: string, what: (row: ServerRow) => boolean): Promise<ServerRow> {
  return until(`${name} as it should be`, 60_000, async () => {
    const view = await client.run(runId);
    return view.servers.find((row) => row.name === name && what(row));
  });
}

function machineOf(name: string): Machine {
  const machine = installation.lab.world.machines.get(name);
  if (!machine) throw new Error(`no machine ${name}`);
  return machine;
}

/** Evictions are put off by the API until they are let go: time for a person to come in between, however slow. */
function holdEvictions(): { letGo(): void } {
  const { faults } = installation.lab.kubernetes;
  faults.arm({ kind: 'status', status: 429, retryAfterSeconds: 1 }, { method: 'POST', path: /eviction/ }, 100_000);
  return { letGo: () => faults.clear() };
}

function isCordoned(name: string): boolean {
  return installation.traces().cordonedNow.includes(name);
}

function podsOf(name: string) {
  const pods = installation.lab.world.api.store.list(kinds.pods);
  return pods.filter(({ spec, metadata }) => spec['nodeName'] === name && metadata.namespace === 'shop');
}

const kindsOf = (entries: readonly HistoryEntry[]): string[] => entries.map(({ event }) => event.kind);

describe('before a run', () => {
  it('doctor finds everything well, validate too, and servers lists them all as ready', async () => {
    const { stdout } = await good('doctor');
    expect(stdout).toContain('8 servers ready');
    const findings = JSON.parse((await good('doctor', '-o', 'json')).stdout) as { ok: boolean; subject: string }[];
    expect(findings.filter(({ ok }) => !ok)).toEqual([]);
    expect(findings.map(({ subject }) => subject)).toEqual(expect.arrayContaining(['kubernetes', 'redis', 'node-8']));
    await good('validate', installation.documents, installation.lab.inventoryFolder);
    const servers = JSON.parse((await good('servers', '-o', 'json')).stdout) as { state: string; pods: number }[];
    expect(servers.map(({ state }) => state)).toEqual(Array.from({ length: 8 }, () => 'ready'));
    expect(servers.every(({ pods }) => pods > 0)).toBe(true);
    expect((await good('status')).stdout).toContain('no run is active');
  }, 60_000);

  it('plan shows what would be done, and does nothing', async () => {
    const before = installation.traces();
    expect((await good('plan', 'approving')).stdout).toMatch(/^approving · .*2 servers match/);
    const { definition } = JSON.parse((await good('plan', 'approving', '-o', 'json')).stdout) as PlanPreview;
    expect(definition.servers.map(({ name }) => name)).toEqual(['node-2', 'node-3']);
    expect((await good('plan', 'approving', '--explain', 'node-2')).stdout).toContain('shop/web');
    expect(installation.traces()).toEqual(before);
    expect(await refused(3, 'plan', 'nonsense')).toContain('no plan named nonsense');
  }, 60_000);
});

describe('pause and resume', () => {
  it('stops before the cordon, then before servicing, and goes on when asked to', async () => {
    // It answers nothing over SSH meanwhile, so it cannot run away from us.
    machineOf('node-1').faults.sshHangs = true;
    const runId = await start('pausing');
    await good('pause', runId);
    machineOf('node-1').faults.sshHangs = false;
    expect(await refused(4, 'pause', runId)).toContain('paused already');
    const early = await untilServer(runId, 'node-1', ({ hold }) => hold.kind === 'paused');
    expect(['pending', 'preparing', 'cordoning']).toContain(early.phase);
    expect((await good('status', runId)).stdout).toMatch(/paused/i);
    await sleep(3_000);
    expect(isCordoned('node-1')).toBe(false);
    const evictions = holdEvictions();
    await good('resume', runId);
    expect(await refused(4, 'resume', runId)).toContain('is not paused');
    await untilServer(runId, 'node-1', ({ phase }) => phase === 'evacuating');
    await good('pause', runId);
    evictions.letGo();
    await untilServer(runId, 'node-1', ({ hold, phase }) => hold.kind === 'paused' && phase !== 'cordoning');
    await sleep(3_000);
    // Empty and out of scheduling, but nothing was done to it that could not be taken back.
    expect(isCordoned('node-1')).toBe(true);
    expect(machineOf('node-1')).toMatchObject({ boots: 0, needsReboot: false });
    await good('resume', runId);
    expect(await runEnded(client, runId, 90_000)).toMatchObject({ status: 'done' });
    expect(machineOf('node-1').boots).toBe(1);
    expect(isCordoned('node-1')).toBe(false);
    expect(kindsOf(await client.history(runId)).filter((kind) => kind === 'paused' || kind === 'resumed')).toHaveLength(
      4,
    );
  }, 240_000);
});

describe('approve', () => {
  it('lets the next wave start, and no wave starts without it', async () => {
    const runId = await start('approving');
    expect(await refused(4, 'approve', runId)).toContain('does not wait for an approval');
    await until('the wait for approval', 90_000, async () => {
      const { hold } = await client.run(runId);
      return hold.kind === 'waiting' && hold.for === 'approval' ? true : undefined;
    });
    expect((await good('status', runId)).stdout).toContain(`pitcrew approve ${runId}`);
    await sleep(3_000);
    expect([machineOf('node-2').boots, machineOf('node-3').boots]).toEqual([1, 0]);
    expect(isCordoned('node-3')).toBe(false);
    await good('approve', runId);
    expect(await runEnded(client, runId, 90_000)).toMatchObject({ status: 'done', counts: { done: 2 } });
    const { stdout } = await good('history', runId);
    expect(stdout).toMatch(/approved/);
  }, 240_000);
});

describe('stop', () => {
  it('brings back what can be brought back, and asks before', async () => {
    const evictions = holdEvictions();
    const runId = await start('stopping');
    await untilServer(runId, 'node-4', ({ phase }) => phase === 'evacuating');
    expect(isCordoned('node-4')).toBe(true);
    expect(await refused(2, 'stop', runId)).toContain('--yes');
    expect(await refused(4, 'power', 'node-4', 'cycle', '--yes')).toContain(`belongs to run ${runId}`);
    await good('stop', runId, '--yes');
    evictions.letGo();
    expect(await runEnded(client, runId, 60_000)).toMatchObject({
      status: 'undone',
      reason: expect.stringContaining('stopped by') as string,
    });
    expect(isCordoned('node-4')).toBe(false);
    expect(machineOf('node-4')).toMatchObject({ boots: 0, needsReboot: false });
    expect(await refused(4, 'resume', runId)).toContain('has ended');
    expect((await installation.pitcrew(['status', runId, '--watch'])).code).toBe(1);
  }, 180_000);
});

describe('a server that does not come back', () => {
  it('halts its run with what was tried; after it was mended, retry finishes the run', async () => {
    machineOf('node-5').faults.neverBoots = true;
    const watched = await installation.pitcrew(['start', 'retrying', '--watch']);
    expect(watched.code).toBe(1);
    expect(watched.stdout).toContain('did not come back');
    expect(watched.stdout).toMatch(/SEL .*power/is);
    const runId = (await client.runs()).find(({ plan }) => plan === 'retrying')?.runId ?? '';
    expect((await good('status', runId)).stdout).toContain(`pitcrew retry ${runId} node-5`);
    // It keeps its cordon, with the owner written on it.
    const node = installation.lab.world.api.store.get(kinds.nodes, undefined, 'node-5');
    expect(node?.spec['unschedulable']).toBe(true);
    expect(JSON.stringify(node?.metadata.annotations)).toContain(runId);
    machineOf('node-5').faults.neverBoots = false;
    await good('retry', runId, 'node-5');
    const ended = await until('the end after the retry', 90_000, async () => {
      const view = await client.run(runId);
      return view.status === 'done' ? view : undefined;
    });
    expect(ended.counts).toMatchObject({ done: 1, failed: 0 });
    expect(isCordoned('node-5')).toBe(false);
    expect(machineOf('node-5').boots).toBe(1);
    expect(await refused(4, 'retry', runId, 'node-5')).toContain('nothing to retry');
  }, 240_000);

  it('can be skipped: the others go on, and it stays out of service under its owner’s name', async () => {
    machineOf('node-6').faults.neverBoots = true;
    const runId = await start('skipping');
    expect(await runEnded(client, runId, 120_000)).toMatchObject({ status: 'halted' });
    expect(machineOf('node-7').boots).toBe(0);
    expect(await refused(2, 'skip', runId, 'node-6')).toContain('--yes');
    await good('skip', runId, 'node-6', '--yes');
    const ended: RunView = await until('the end after the skip', 90_000, async () => {
      const view = await client.run(runId);
      return view.status === 'done' ? view : undefined;
    });
    expect(ended.counts).toMatchObject({ done: 1, skipped: 1 });
    expect(machineOf('node-7').boots).toBe(1);
    expect([isCordoned('node-6'), isCordoned('node-7')]).toEqual([true, false]);
    const servers = JSON.parse((await good('servers', '-o', 'json')).stdout) as { name: string; state: string }[];
    expect(servers.find(({ name }) => name === 'node-6')?.state).toContain(`cordoned by run ${runId}`);
  }, 240_000);
});

describe('single servers', () => {
  it('power: status, off, on, each as the machine has it', async () => {
    expect((await good('power', single, 'status')).stdout).toBe(`${single} power on\n`);
    expect(await refused(2, 'power', single, 'off')).toContain('--yes');
    expect(machineOf(single).power).toBe('on');
    expect((await good('power', single, 'off', '--yes')).stdout).toBe(`${single} power off\n`);
    expect(machineOf(single).power).toBe('off');
    expect(JSON.parse((await good('power', single, 'status', '-o', 'json')).stdout)).toEqual({
      server: single,
      power: 'off',
    });
    expect((await good('power', single, 'on')).stdout).toBe(`${single} power on\n`);
    expect(machineOf(single)).toMatchObject({ power: 'on', powerCycles: 1 });
    expect(await refused(2, 'power', 'node-77', 'status')).toContain('no server named node-77');
    await until('the server back', 60_000, async () => (machineOf(single).system === 'up' ? true : undefined));
  }, 120_000);

  it('evacuate empties one and keeps it cordoned; return puts it back', async () => {
    await until('pods on it', 60_000, async () => (podsOf(single).length > 0 ? true : undefined));
    expect(await refused(2, 'evacuate', single)).toContain('--yes');
    expect((await good('evacuate', single, '--yes', '--watch')).stdout).toContain('done');
    expect(podsOf(single)).toEqual([]);
    expect(isCordoned(single)).toBe(true);
    expect((await good('return', single, '--watch')).stdout).toContain('done');
    expect(isCordoned(single)).toBe(false);
    expect(await refused(4, 'return', single)).toContain('not cordoned');
  }, 180_000);
});

describe('what was done', () => {
  it('history lists all runs, tells one as its journal has it, and shows what commands printed', async () => {
    const runs = JSON.parse((await good('history', '-o', 'json')).stdout) as RunView[];
    expect(runs.map(({ plan }) => plan)).toEqual(
      expect.arrayContaining(['pausing', 'approving', 'stopping', 'retrying', 'skipping', single]),
    );
    const run = runs.find(({ plan }) => plan === 'pausing');
    const runId = run?.runId ?? '';
    expect(JSON.parse((await good('status', runId, '-o', 'json')).stdout)).toEqual(run);
    expect(parse((await good('status', runId, '-o', 'yaml')).stdout)).toEqual(run);
    const entries = JSON.parse((await good('history', runId, 'node-1', '-o', 'json')).stdout) as HistoryEntry[];
    const wanted = ['stepStarted', 'stepFinished', 'moveStarted', 'moveFinished', 'rungStarted', 'ended'];
    expect(kindsOf(entries)).toEqual(expect.arrayContaining(wanted));
    expect((await good('history', runId, 'node-1', '--output')).stdout).toContain('linux-image');
    expect((await good('history')).stdout).toContain('stopping');
    expect(await refused(2, 'status', 'no-such-run')).toContain('no run no-such-run');
  }, 60_000);

  it('a command without its daemon says so, exit code 5', async () => {
    await installation.daemons.at(-1)?.stop();
    expect(await refused(5, 'status')).toContain('api/unreachable');
  }, 60_000);
});
