/** The data behind the sketches of the terminal: one busy run, one halted, a plan, findings, a piece of journal. */
import type { HistoryEntry } from '../../src/api/client.ts';
import type { Finding, ServerSummary } from '../../src/engine/operations.ts';
import type { PlanPreview, PodPreview } from '../../src/planner/preview.ts';
import type { LeftOut, RunDefinition, RunServer, ServerTimes } from '../../src/workflow/definition.ts';
import type { ServerRow } from '../../src/workflow/run-view.ts';
import { defaultEvacuation } from '../../src/spec/plan.ts';
import { minutesMs, nowMs, runView, secondsMs, serverRow } from '../api/views.ts';

export { nowMs };

function agoMs(minutes: number, seconds = 0): number {
  return nowMs - minutes * minutesMs - seconds * secondsMs;
}

const active: ServerRow[] = [
  serverRow({
    name: 'rack2-05',
    phase: 'rebooting',
    sinceMs: agoMs(3, 10),
    doing: 'asked over SSH; BMC says on; waiting for a new boot id (limit 20 min)',
  }),
  serverRow({
    name: 'rack2-09',
    phase: 'evacuating',
    sinceMs: agoMs(2, 2),
    hold: { kind: 'waiting', for: 'budget', text: 'budget shop/web allows 0 now (needs 5, has 5)' },
    pods: { toMove: 12, moved: 3 },
  }),
  serverRow({
    name: 'rack2-03',
    phase: 'evacuating',
    sinceMs: agoMs(0, 48),
    doing: '19 of 31 pods away · ledger-2 (criu)',
    pods: { toMove: 31, moved: 19 },
  }),
  serverRow({
    name: 'rack2-07',
    phase: 'verifying',
    sinceMs: agoMs(0, 4),
    doing: 'kernel 6.12.107 ok · 0 failed units',
    lastError: { code: 'ssh/timeout', message: 'no answer over SSH', count: 2, atMs: agoMs(0, 6) },
  }),
];

const finished = serverRow({
  name: 'rack2-01',
  phase: 'done',
  startedMs: agoMs(8, 38),
  endedMs: agoMs(0, 40),
  phaseMs: { cordoning: 400, evacuating: 72_000, rebooting: 280_000, verifying: 9_000 },
});

export const busyRun = runView({
  wave: 2,
  waves: 3,
  counts: { total: 40, done: 17, failed: 0, active: 4, skipped: 0 },
  podsMoved: 1_204,
  endsAboutMs: nowMs + 87 * minutesMs,
  servers: [...active, finished, serverRow({ name: 'rack3-01' })],
});

const haltedServer = serverRow({
  name: 'rack2-05',
  phase: 'halted',
  sinceMs: agoMs(18, 17),
  startedMs: agoMs(80),
  endedMs: agoMs(18, 17),
  reason: 'the server did not come back',
  pods: { toMove: 31, moved: 31 },
  phaseMs: { cordoning: 500, evacuating: 60_000, rebooting: 2_700_000 },
  lastError: { code: 'reboot/no-evidence', message: 'no new boot id in 20 min', count: 1, atMs: agoMs(18, 17) },
  tried: [
    { atMs: agoMs(63, 48), text: 'asked over SSH' },
    { atMs: agoMs(43, 48), text: 'BMC soft' },
    { atMs: agoMs(38, 45), text: 'BMC off' },
    { atMs: agoMs(38, 10), text: 'BMC on' },
    { atMs: agoMs(37, 38), text: 'SEL: Memory uncorrectable ECC, DIMM_B2' },
  ],
});

export const haltedRun = runView({
  runId: '2611-b2',
  status: 'halted',
  reason: 'rack2-05: 1 failed (halt after 1)',
  wave: 0,
  waves: 3,
  counts: { total: 40, done: 3, failed: 1, active: 0, skipped: 1 },
  endedMs: agoMs(18, 16),
  servers: [haltedServer, finished],
});

function runServer(name: string): RunServer {
  return {
    name,
    node: `${name}.example.org`,
    address: '10.1.1.11',
    labels: {},
    site: 'fra1',
    domain: '',
    ssh: { user: 'root', port: 22, privateKey: { file: '/etc/pitcrew/ssh/key' }, hostKey: 'known_hosts' },
    bmc: {
      protocol: 'ipmi',
      address: '10.9.1.11',
      port: 623,
      user: 'admin',
      password: { file: '/etc/pitcrew/bmc' },
      cipherSuite: 17,
      privilege: 'operator',
      minCommandIntervalMs: 5_000,
    },
  };
}

const names = Array.from({ length: 12 }, (_value, index) => `rack1-${String(index + 1).padStart(2, '0')}`);

const measured: ServerTimes = {
  p50Ms: 19 * minutesMs,
  p95Ms: 24 * minutesMs,
  measured: 41,
  group: 'kernel-update, model r640',
};

const blockers: Readonly<Record<string, LeftOut>> = {
  'rack1-04': { because: 'ci/runner-9: hostPath /var/cache', owner: '' },
  'rack1-07': {
    because: 'shop/orders-db-0: its budget can never be met (minAvailable 1 of 1)',
    owner: 'budget shop/orders-db',
  },
};

const definition: RunDefinition = {
  runId: 'preview',
  purpose: 'maintenance',
  plan: 'weekly-kernel',
  playbook: 'kernel-update',
  digest: '4f1c2ab99d',
  startedBy: 'anna@ops1',
  program: [],
  undo: [],
  servers: names.map((name) => ({ ...runServer(name), takes: measured, leftOut: blockers[name] })),
  waves: [
    { servers: names.slice(0, 1), soakMs: 30 * minutesMs, approval: true },
    { servers: names.slice(1, 3), soakMs: 10 * minutesMs, approval: false },
    { servers: names.slice(3), soakMs: 0, approval: false },
  ],
  maxUnavailable: 4,
  maxParallel: 4,
  haltAfter: { failures: 1 },
  evacuation: defaultEvacuation,
};

function pods(
  number: number,
  verdict: PodPreview['verdict'],
  how: string,
  move: Partial<PodPreview> = {},
): PodPreview[] {
  return Array.from({ length: number }, (_value, index) => ({
    pod: `shop/${verdict}-${index}`,
    server: 'rack1-02',
    verdict,
    how,
    owner: '',
    warnings: [],
    ...move,
  }));
}

/** The window opens in a quarter of an hour, for four hours. */
const opensMs = nowMs + 15 * minutesMs;

function wavePreview(servers: number, atOnce: number, from: number, to: number, slow: number, limit = '') {
  const at = (minutes: number): number => opensMs + minutes * minutesMs;
  return { servers, atOnce, fromMs: at(from), toMs: { p50: at(to), p95: at(slow) }, limit };
}

const stepTimes = [
  { step: 'prepare', p50Ms: 20 * secondsMs, p95Ms: 20 * secondsMs, measured: 41 },
  { step: 'reboot-2', p50Ms: 4 * minutesMs, p95Ms: 9 * minutesMs, measured: 41 },
];

export const preview: PlanPreview = {
  definition,
  nowMs,
  forecast: {
    opening: { fromMs: opensMs, toMs: opensMs + 240 * minutesMs, timeZone: 'Europe/Berlin' },
    fromMs: opensMs,
    toMs: { p50: opensMs + 120 * minutesMs, p95: opensMs + 178 * minutesMs },
    later: { p50: 0, p95: 0 },
    never: 0,
    sources: [{ servers: 10, takes: measured }],
  },
  waves: [wavePreview(1, 1, 0, 21, 26), wavePreview(2, 2, 51, 72, 82), wavePreview(7, 4, 82, 120, 178, 'budget 4')],
  servers: definition.servers.map(({ name, leftOut }, index) => ({
    name,
    wave: index === 0 ? 0 : index < 3 ? 1 : 2,
    ...(leftOut ? {} : { fromMs: opensMs, toMs: { p50: opensMs + 19 * minutesMs, p95: opensMs + 24 * minutesMs } }),
    takes: measured,
    steps: name === 'rack1-02' ? stepTimes : [],
    leftOut,
  })),
  pods: [
    ...pods(96, 'moves', 'alive by criu: keeps its memory, gets another address, connections are closed', {
      way: 'live',
      mover: 'criu',
      promise: 'memory',
      predictedMs: 12 * secondsMs,
      target: 'rack1-09.example.org',
    }),
    ...pods(18, 'moves', 'surge: another one is Ready before it goes', {
      way: 'surge',
      mover: 'surge',
      promise: 'nothing: restart',
      predictedMs: 60 * secondsMs,
      order: 10,
    }),
    ...pods(24, 'stays', 'of a DaemonSet: it belongs to its server'),
    {
      pod: 'shop/orders-db-0',
      server: 'rack1-07',
      verdict: 'blocked',
      how: 'its budget can never be met (minAvailable 1 of 1)',
      owner: 'budget shop/orders-db',
      warnings: [],
    },
    { pod: 'ci/runner-9', server: 'rack1-04', verdict: 'blocked', how: 'hostPath /var/cache', owner: '', warnings: [] },
  ],
  warnings: ['ci/logger tolerates the cordon and stays: it would come straight back'],
};

export const findings: Finding[] = [
  { area: 'server', subject: 'rack3-04', ok: true, text: 'ssh ok · bmc ok' },
  {
    area: 'server',
    subject: 'db-07',
    ok: false,
    text: 'ssh ok · bmc refused the password',
    code: 'bmc/password',
    next: 'correct the password reference of this server in the inventory',
  },
  { area: 'kubernetes', subject: 'kubernetes', ok: true, text: 'v1.36.2, 40 nodes · all rights' },
  { area: 'redis', subject: 'redis', ok: true, text: '8.0, append-only every write' },
  { area: 'movers', subject: 'movers', ok: true, text: 'criu ready on 36 of 40 · surge, evict always' },
];

const pod = { namespace: 'payments', name: 'ledger-2', uid: 'u-1' };

export const history: HistoryEntry[] = [
  { version: 1, atMs: agoMs(110), event: { kind: 'runCreated', definition } },
  { version: 2, atMs: agoMs(110), event: { kind: 'serverAdmitted', server: 'rack1-01' } },
  { version: 1, atMs: agoMs(109), server: 'rack1-01', event: { kind: 'stepStarted', step: 'evacuate', attempt: 1 } },
  {
    version: 2,
    atMs: agoMs(108),
    server: 'rack1-01',
    event: {
      kind: 'moveStarted',
      pod,
      mover: 'criu',
      promise: 'memory',
      id: 'pitcrew-ledger-2-1',
      target: 'rack1-02',
      predictedMs: 20_000,
      timeoutMs: 300_000,
      budgets: [],
    },
  },
  {
    version: 3,
    atMs: agoMs(107, 5),
    server: 'rack1-01',
    event: {
      kind: 'moveFinished',
      pod,
      result: 'done',
      because: '',
      evidence: { kept: 'memory', uid: 'u-2', node: 'rack1-02', freezeMs: 410 },
    },
  },
  {
    version: 4,
    atMs: agoMs(50),
    server: 'rack1-01',
    event: {
      kind: 'stepFailed',
      step: 'reboot',
      code: 'reboot/no-evidence',
      disposition: 'halt',
      message: 'no new boot id in 20 min although the BMC says that the power is on',
    },
  },
];

export const servers: ServerSummary[] = [
  {
    name: 'rack1-10',
    node: 'rack1-10',
    site: 'fra1',
    labels: {},
    state: 'ready, cordoned by run 2611-a7',
    kernel: '6.12.107+deb13-amd64',
    pods: 4,
    runId: '2611-a7',
  },
  {
    name: 'rack1-2',
    node: 'rack1-2',
    site: 'fra1',
    labels: {},
    state: 'ready',
    kernel: '6.12.100+deb13-amd64',
    pods: 31,
  },
];
