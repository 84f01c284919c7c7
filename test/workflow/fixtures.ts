/** Small builders for runs, servers and pods, so that a test shows only what it is about. */
import { defaultEvacuation } from '../../src/spec/plan.ts';
import { anywhere } from '../../src/cluster/placement.ts';
import type { PodView } from '../../src/cluster/pod.ts';
import type { ProgramStep, RunDefinition, RunServer, Wave } from '../../src/workflow/definition.ts';
import type { RunEvent, ServerEvent } from '../../src/workflow/events.ts';
import { applyRunEvent, createRun, type RunState } from '../../src/workflow/run-state.ts';
import { applyServerEvent, emptyServerState, type ServerState } from '../../src/workflow/server-state.ts';

export function runServer(name: string, domain = ''): RunServer {
  return {
    name,
    node: name,
    address: '127.0.0.1',
    labels: {},
    site: 'default',
    domain,
    ssh: { user: 'root', port: 22, privateKey: { file: '/key' }, hostKey: 'known_hosts' },
    bmc: {
      protocol: 'ipmi',
      address: '127.0.0.1',
      port: 623,
      user: 'admin',
      password: { file: '/password' },
      cipherSuite: 3,
      privilege: 'administrator',
      minCommandIntervalMs: 0,
    },
  };
}

const program: readonly ProgramStep[] = [
  { kind: 'prepare', id: 'prepare', needed: [], actions: [] },
  { kind: 'cordon', id: 'cordon' },
  { kind: 'evacuate', id: 'evacuate' },
  { kind: 'service', id: 'service-1', action: { ssh: { run: 'true', timeoutMs: 60_000 } } },
  { kind: 'reboot', id: 'reboot-2', ladder: ['ssh', 'bmc-soft', 'bmc-cycle'], timeoutMs: 600_000 },
  { kind: 'rejoin', id: 'rejoin' },
  { kind: 'verify', id: 'verify', checks: [] },
  { kind: 'return', id: 'return' },
];

export interface RunShape {
  readonly servers?: readonly RunServer[];
  readonly waves?: readonly Wave[];
  readonly maxUnavailable?: number;
  readonly maxParallel?: number;
  readonly haltAfter?: { failures: number; consecutive?: number };
}

export function definition(shape: RunShape = {}): RunDefinition {
  const servers = shape.servers ?? ['a', 'b', 'c', 'd'].map((name) => runServer(name));
  const waves = shape.waves ?? [{ servers: servers.map((server) => server.name), soakMs: 0, approval: false }];
  return {
    runId: 'r1',
    purpose: 'maintenance',
    plan: 'weekly',
    playbook: 'kernel',
    digest: 'd',
    startedBy: 'test',
    program,
    undo: [],
    servers,
    waves,
    maxUnavailable: shape.maxUnavailable ?? 1,
    maxParallel: shape.maxParallel ?? 10,
    haltAfter: shape.haltAfter ?? { failures: 1 },
    evacuation: defaultEvacuation,
  };
}

/** Folds events one second apart, from second 1 on. */
export function runAfter(shape: RunShape, ...events: RunEvent[]): RunState {
  return events.reduce(
    (state, event, index) => applyRunEvent(state, event, (index + 1) * 1_000),
    createRun(definition(shape), 0),
  );
}

export function serverAfter(...events: ServerEvent[]): ServerState {
  return events.reduce(
    (state, event, index) => applyServerEvent(state, event, (index + 1) * 1_000, program),
    emptyServerState('a', program),
  );
}

/** Events that take a server through the program up to and without this step. */
export function until(step: string): ServerEvent[] {
  const index = program.findIndex((candidate) => candidate.id === step);
  return program.slice(0, index).flatMap((done): ServerEvent[] => [
    { kind: 'stepStarted', step: done.id, attempt: 1 },
    { kind: 'stepFinished', step: done.id, evidence: {} },
  ]);
}

export function pod(change: Partial<PodView> = {}): PodView {
  return {
    namespace: 'shop',
    name: 'web-1',
    uid: 'u1',
    node: 'a',
    phase: 'Running',
    ready: true,
    leaving: false,
    labels: { app: 'web', 'pod-template-hash': 'h1' },
    annotations: {},
    owner: { kind: 'ReplicaSet', name: 'web-h1', uid: 'rs' },
    volumes: [],
    tolerations: [],
    hostNetwork: false,
    addressVariables: [],
    sidecars: [],
    gracePeriodSeconds: 30,
    priority: 0,
    createdMs: 1,
    requests: { cpuMillis: 100, memoryBytes: 1_000_000, others: {} },
    placement: anywhere,
    ip: '10.0.0.1',
    ...change,
  };
}

export const movedPod = { namespace: 'n', name: 'p', uid: 'u' };

export function moveStarted(
  change: Partial<Extract<ServerEvent, { kind: 'moveStarted' }>> = {},
): Extract<ServerEvent, { kind: 'moveStarted' }> {
  return {
    kind: 'moveStarted',
    pod: movedPod,
    mover: 'criu',
    promise: 'everything',
    id: 'pitcrew-p-1',
    target: 'b',
    predictedMs: 20_000,
    timeoutMs: 300_000,
    budgets: [],
    ...change,
  };
}
