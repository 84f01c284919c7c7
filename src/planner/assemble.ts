/**
 * From documents and a look at the cluster to the definition of a run: targets, waves, budgets, program. Pure.
 *
 * It refuses what cannot work; it starts nothing.
 */
import type { NodeView } from '../cluster/node.ts';
import { MaintenanceError, unreachable } from '../errors/maintenance-error.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { ParameterValues } from '../spec/parameters.ts';
import { defaultEvacuation, type MaintenancePlan } from '../spec/plan.ts';
import { scheduleOf } from '../spec/plan-schedule.ts';
import type { Playbook } from '../spec/playbook.ts';
import { isTarget } from '../spec/targets.ts';
import { countOf } from '../spec/values.ts';
import type { ProgramStep, Purpose, RunDefinition, RunServer, Wave } from '../workflow/definition.ts';
import { evacuateProgram, maintenanceProgram, returnProgram, undoActions } from './program.ts';

export interface AssembleInput {
  readonly plan: MaintenancePlan;
  readonly playbook: Playbook;
  readonly servers: readonly InventoryServer[];
  readonly nodes: readonly NodeView[];
  readonly digest: string;
  readonly commit?: string | undefined;
  readonly runId: string;
  readonly startedBy: string;
}

export function assembleRun(input: AssembleInput): RunDefinition {
  const { plan, playbook } = input;
  const { rollout, evacuation, schedule, rebalance } = plan.spec;
  const values = parameterValues(plan, playbook);
  const targets = selectTargets(plan, input.servers);
  if (targets.length === 0) {
    throw new MaintenanceError('run/refused', 'halt', `plan ${plan.metadata.name} matches no server of the inventory`);
  }
  const servers = inDomains(targets, input.nodes, rollout?.failureDomain);
  const maxUnavailable = countOf(rollout?.maxUnavailable ?? { kind: 'count', count: 1 }, servers.length);
  const haltAfter = rollout?.haltAfter;
  return {
    runId: input.runId,
    purpose: 'maintenance',
    plan: plan.metadata.name,
    playbook: playbook.metadata.name,
    digest: input.digest,
    commit: input.commit,
    startedBy: input.startedBy,
    program: maintenanceProgram(playbook, values),
    undo: undoActions(playbook, values),
    servers,
    waves: makeWaves(servers, plan),
    maxUnavailable,
    maxParallel: rollout?.maxParallel ?? Math.max(1, maxUnavailable),
    haltAfter: { failures: haltAfter?.failures ?? 1, consecutive: haltAfter?.consecutive },
    waitTimeoutMs: rollout?.waitTimeout,
    evacuation: evacuation ?? defaultEvacuation,
    schedule: schedule && scheduleOf(schedule),
    rebalance,
  };
}

/**
 * One server, one verb: the runs behind `pitcrew evacuate` and `pitcrew return`; and the record of a power request that a
 * person made by hand, in which nothing is left for the engine to do.
 */
export function assembleSingle(input: {
  purpose: Exclude<Purpose, 'maintenance'>;
  server: InventoryServer;
  runId: string;
  startedBy: string;
  /** For a return: whose cordon is lifted. */
  lifts?: string | undefined;
}): RunDefinition {
  const { purpose, server, runId, startedBy, lifts } = input;
  return {
    runId,
    purpose,
    plan: server.name,
    playbook: '',
    digest: '',
    startedBy,
    program: singleProgram(purpose),
    undo: [],
    servers: [{ ...server, domain: '' }],
    waves: purpose === 'power' ? [] : [{ servers: [server.name], soakMs: 0, approval: false }],
    maxUnavailable: 1,
    maxParallel: 1,
    haltAfter: { failures: 1 },
    evacuation: defaultEvacuation,
    lifts,
  };
}

function singleProgram(purpose: Exclude<Purpose, 'maintenance'>): readonly ProgramStep[] {
  switch (purpose) {
    case 'evacuate':
      return evacuateProgram();
    case 'return':
      return returnProgram();
    case 'power':
      return [];
    default:
      return unreachable(purpose);
  }
}

/** The plan's values over the playbook's defaults. The documents were checked: nothing is missing. */
function parameterValues(plan: MaintenancePlan, playbook: Playbook): ParameterValues {
  const defaults = Object.entries(playbook.spec.parameters ?? {}).flatMap(([name, parameter]) =>
    parameter.default === undefined ? [] : [[name, parameter.default] as const],
  );
  return { ...Object.fromEntries(defaults), ...plan.spec.parameters };
}

function selectTargets(plan: MaintenancePlan, servers: readonly InventoryServer[]): InventoryServer[] {
  return servers.filter((server) => isTarget(plan.spec.targets, server)).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function inDomains(
  targets: readonly InventoryServer[],
  nodes: readonly NodeView[],
  label: string | undefined,
): RunServer[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const missing = targets.filter((server) => !byName.has(server.node)).map((server) => server.node);
  if (missing.length > 0) {
    throw new MaintenanceError('run/refused', 'halt', `Kubernetes has no node named ${missing.join(', ')}`);
  }
  return targets.map((server) => ({
    ...server,
    domain: (label !== undefined && byName.get(server.node)?.labels[label]) || '',
  }));
}

/** Sizes, not totals; what is left over forms a last wave. Servers go domain by domain, then by name. */
function makeWaves(servers: readonly RunServer[], plan: MaintenancePlan): Wave[] {
  const names = [...servers].sort((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1)).map((server) => server.name);
  const waves: Wave[] = [];
  for (const { servers: amount, soakMs, approval } of plan.spec.rollout?.waves ?? []) {
    const members = names.splice(0, countOf(amount, servers.length));
    if (members.length > 0) waves.push({ servers: members, soakMs, approval });
  }
  if (names.length > 0) waves.push({ servers: names, soakMs: 0, approval: false });
  return waves;
}

/** Servers without a domain come last. */
function rankOf({ domain, name }: RunServer): string {
  return `${domain === '' ? 1 : 0}${domain}\u0000${name}`;
}
