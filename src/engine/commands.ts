/**
 * What people ask for, recorded: start, pause, resume, stop, approve, retry, skip, and the single verbs of a server.
 *
 * It refuses what makes no sense in the state at hand, writes the request into the journal and wakes the coordinator.
 * It never does the work itself, except for the one power request that a person makes by hand.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { PowerState } from '../ports/bmc.ts';
import type { DocumentSource } from '../ports/documents.ts';
import type { Lease } from '../ports/leases.ts';
import { assembleSingle } from '../planner/assemble.ts';
import { planRun, type PlanRunInput } from '../planner/plan-run.ts';
import { previewPlan, type PlanPreview } from '../planner/preview.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import type { RunEvent } from '../workflow/events.ts';
import type { RunState } from '../workflow/run-state.ts';
import { isServerPastReturn } from '../workflow/server-state.ts';
import { detectMovers, moveOptions } from '../steps/ways.ts';
import { MeasuredTimes } from './measured-times.ts';
import { powerByHand } from './power-by-hand.ts';
import { noSuchPlan, noSuchRun, noSuchServer, noSuchServerInRun } from './not-there.ts';
import type { PowerRequest, Started } from './operations.ts';
import { whyNotYet } from './windows.ts';
import { coordinatorSite, type EngineWorld } from './world.ts';
import type { RunLog } from './run-log.ts';

/** Bounds for what is asked of the world on a person's behalf. */
const askMs = 30_000;
/** Together longer than the lease of somebody who was killed with it lives. */
const aloneTriesMax = 100;
const alonePauseMs = 250;

interface Planned {
  readonly input: PlanRunInput;
  readonly notices: readonly string[];
}

export class Commands {
  readonly #world: EngineWorld;
  readonly #log: RunLog;
  readonly #documents: DocumentSource;
  readonly #times: MeasuredTimes;

  constructor(world: EngineWorld, log: RunLog, documents: DocumentSource) {
    this.#world = world;
    this.#log = log;
    this.#documents = documents;
    this.#times = new MeasuredTimes(world.journal, log);
  }

  /** What `start` would run, without a trace of it anywhere. */
  async preview(planName: string): Promise<PlanPreview> {
    const { input, notices } = await this.#plan(planName, '', this.#newRunId());
    const preview = previewPlan({ ...input, nowMs: this.#world.clock.nowMs() });
    return { ...preview, warnings: [...notices, ...preview.warnings] };
  }

  /** Everything that the definition of a run is made from, as it is now; and what is to be said of the documents. */
  async #plan(planName: string, by: string, runId: string): Promise<Planned> {
    const documents = await this.#documents.read();
    const plan = documents.plans.find((candidate) => candidate.metadata.name === planName);
    if (!plan) throw noSuchPlan(planName, documents.plans);
    const playbook = documents.playbooks.find((candidate) => candidate.metadata.name === plan.spec.playbook);
    if (!playbook) {
      throw new MaintenanceError('document/not-found', 'halt', `no playbook named ${plan.spec.playbook}`);
    }
    const signal = AbortSignal.timeout(askMs);
    const view = await this.#world.cluster.view(signal);
    const { servers, digest, commit, notices = [] } = documents;
    const learned = await this.#times.ofPlaybook(playbook.metadata.name);
    const moves = moveOptions(await detectMovers(this.#world.movers, signal), view);
    const input = { plan, playbook, servers, view, digest, commit, learned, moves, runId, startedBy: by };
    return { input, notices };
  }

  /** Where a run of this id is there already: `journal/conflict`, or refused for its servers. */
  async start(planName: string, by: string, runId = this.#newRunId()): Promise<Started> {
    const { input, notices } = await this.#plan(planName, by, runId);
    const definition = planRun(input);
    const [first] = definition.servers;
    if (first?.leftOut && definition.servers.every(({ leftOut }) => leftOut)) {
      refuse(`no server could start; ${first.name}: ${first.leftOut.because}`);
    }
    const notYet = whyNotYet(input.plan, this.#world.clock.nowMs());
    return { runId: await this.#create(definition), notices: notYet === undefined ? notices : [...notices, notYet] };
  }

  async evacuate(serverName: string, by: string): Promise<string> {
    const server = await this.findServer(serverName);
    return this.#create(assembleSingle({ purpose: 'evacuate', server, runId: this.#newRunId(), startedBy: by }));
  }

  async returnServer(serverName: string, by: string): Promise<string> {
    const server = await this.findServer(serverName);
    const node = await this.#world.cluster.readNode(server.node, AbortSignal.timeout(askMs));
    if (node?.cordon.kind !== 'ours') {
      const why = node?.cordon.kind === 'foreign' ? 'somebody else cordoned it' : 'it is not cordoned';
      refuse(`${serverName} is not ours to return: ${why}`);
    }
    const lifts = node.cordon.runId;
    // Its run may still be told to try again, and would find pods on a server that it is about to reboot.
    if ((await this.#log.run(lifts))?.ends[serverName]?.outcome === 'halted') {
      refuse(`${serverName} is halted in run ${lifts}: \`pitcrew skip ${lifts} ${serverName}\` gives that up first`);
    }
    if (!node.ready) refuse(`node ${server.node} is not Ready; \`pitcrew doctor\` says more`);
    return this.#create(assembleSingle({ purpose: 'return', server, runId: this.#newRunId(), startedBy: by, lifts }));
  }

  async pause(runId: string, by: string): Promise<void> {
    await this.#ask(runId, (run) => {
      if (run.pausedBy !== undefined) return refuse(`run ${runId} is paused already (by ${run.pausedBy})`);
      return { kind: 'paused', by };
    });
  }

  async resume(runId: string, by: string): Promise<void> {
    await this.#ask(runId, (run) => {
      if (run.pausedBy === undefined) return refuse(`run ${runId} is not paused`);
      return { kind: 'resumed', by };
    });
  }

  async stop(runId: string, by: string): Promise<void> {
    await this.#ask(runId, (run) => {
      if (run.stoppedBy !== undefined) return refuse(`run ${runId} is being stopped already (by ${run.stoppedBy})`);
      return { kind: 'stopRequested', by };
    });
  }

  async approve(runId: string, by: string): Promise<void> {
    await this.#ask(runId, (run) => {
      const wave = run.waves.findIndex((status) => status.kind === 'awaitingApproval');
      if (wave === -1) return refuse(`run ${runId} does not wait for an approval`);
      return { kind: 'approved', wave, by };
    });
  }

  async retry(runId: string, server: string, by: string): Promise<void> {
    await this.#ask(
      runId,
      (run) => {
        knownServer(run, server);
        const outcome = run.ends[server]?.outcome;
        if (outcome !== 'halted' && outcome !== 'undone') return refuse(`${server} has not failed: nothing to retry`);
        return { kind: 'retryRequested', server, by };
      },
      'endedToo',
    );
  }

  async skip(runId: string, server: string, by: string): Promise<void> {
    const before = await this.mustFind(runId);
    knownServer(before, server);
    const state = await this.#log.server(before.definition, server);
    await this.#ask(
      runId,
      (run) => {
        const outcome = run.ends[server]?.outcome;
        if (outcome === 'done' || outcome === 'skipped') return refuse(`${server} has ended already: ${outcome}`);
        const isBusy = outcome === undefined && isServerPastReturn(state, run.definition.program);
        if (isBusy) return refuse(`${server} is in service or rebooting; it can be skipped once it is done or halted`);
        return { kind: 'skipRequested', server, by };
      },
      'endedToo',
    );
  }

  /** By hand, past every plan: refused while a run has its hands on the server, or still means to, unless forced. */
  async power(serverName: string, { verb, force = false }: PowerRequest, by: string): Promise<PowerState> {
    const server = await this.findServer(serverName);
    if (verb === 'status') return this.#world.connections.bmcOf(server).readPower(AbortSignal.timeout(askMs));
    return powerByHand(this.#world, this.#log, { server, verb, force, by, runId: this.#newRunId() });
  }

  async findServer(name: string): Promise<InventoryServer> {
    const { servers } = await this.#documents.read();
    const server = servers.find((candidate) => candidate.name === name);
    if (server) return server;
    throw noSuchServer(name, servers);
  }

  async mustFind(runId: string): Promise<RunState> {
    const run = await this.#log.run(runId);
    if (!run) throw noSuchRun(runId, await this.#world.journal.runIds());
    return run;
  }

  async #create(definition: RunDefinition): Promise<string> {
    const { runId, servers } = definition;
    await this.#alone(async (lease) => {
      await this.#refuseShared(
        servers.map(({ name }) => name),
        runId,
      );
      await this.#log.appendRun(runId, 0, [{ kind: 'runCreated', definition }], lease);
    });
    await this.#wake(runId);
    return runId;
  }

  /** Refuses a server that another unfinished run has: two runs would fight over one budget and one cordon. */
  async #refuseShared(servers: readonly string[], own: string): Promise<void> {
    const wanted = new Set(servers);
    for (const runId of await this.#world.journal.runIds()) {
      if (runId === own) continue;
      // Read anew also where it had ended: a retry by way of another daemon has made it go on.
      const run = await this.#log.run(runId);
      if (!run || run.ended) continue;
      const shared = run.definition.servers.find((server) => wanted.has(server.name));
      if (shared) refuse(`${shared.name} belongs to run ${runId} (${run.definition.plan}), which has not ended`);
    }
  }

  /** Whoever makes a run begin, or go on after its end, does so alone: looking and writing are two steps. */
  async #alone<T>(work: (lease: Lease) => Promise<T>): Promise<T> {
    const { clock, leases } = this.#world;
    for (let tries = 1; ; tries += 1) {
      const lease = await leases.acquire('runs');
      if (!('heldBy' in lease)) {
        try {
          return await work(lease);
        } finally {
          await lease.release();
        }
      }
      if (tries >= aloneTriesMax) {
        throw new MaintenanceError('lease/held', 'halt', `a run is just being started by ${lease.heldBy}; try again`);
      }
      await clock.sleep(alonePauseMs);
    }
  }

  async #ask(
    runId: string,
    decide: (run: RunState) => RunEvent,
    ended: 'endedToo' | 'runningOnly' = 'runningOnly',
  ): Promise<void> {
    if (ended === 'runningOnly') {
      await this.#append(runId, (run) => {
        if (run.ended) refuse(`run ${runId} has ended: ${run.ended.outcome}`);
        return decide(run);
      });
    } else await this.#alone((lease) => this.#append(runId, decide, lease));
    await this.#wake(runId);
  }

  /** Who comes second in the same stream reads again and decides anew; bounded, so that nobody asks for ever. */
  async #append(runId: string, decide: (run: RunState) => RunEvent, lease?: Lease): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      const run = await this.mustFind(runId);
      if (run.definition.purpose === 'power')
        refuse(`${runId} was one request for power; nothing of it can be changed`);
      const event = decide(run);
      // It goes on with every server that is not done, and since its end another run may have begun with one of them.
      if (run.ended) await this.#refuseShared(unsettledServers(run), runId);
      try {
        await this.#log.appendRun(runId, run.version, [event], lease);
        return;
      } catch (error) {
        const isRace = error instanceof MaintenanceError && error.code === 'journal/conflict';
        if (!isRace || tries >= 20) throw error;
      }
    }
  }

  async #wake(runId: string): Promise<void> {
    await this.#world.wakeUps.wake({ runId, site: coordinatorSite }, 0);
  }

  /** Year, month and day, then chance: sortable by eye, short enough to type. */
  #newRunId(): string {
    const day = new Temporal.Instant(BigInt(this.#world.clock.nowMs()) * 1_000_000n).toString().slice(2, 10);
    return `${day.replaceAll('-', '')}-${this.#world.random.id(4)}`;
  }
}

function refuse(why: string): never {
  throw new MaintenanceError('run/refused', 'halt', why);
}

function unsettledServers({ definition, ends }: RunState): string[] {
  const isSettled = (name: string): boolean => ends[name]?.outcome === 'done' || ends[name]?.outcome === 'skipped';
  return definition.servers.map(({ name }) => name).filter((name) => !isSettled(name));
}

/** @throws `api/not-found` */
export function knownServer(run: RunState, server: string): void {
  const { runId, servers } = run.definition;
  if (!servers.some((candidate) => candidate.name === server)) throw noSuchServerInRun(runId, server, servers);
}
