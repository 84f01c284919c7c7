/**
 * The invariants of `architecture.md`, checked on the world itself while a simulation runs: at every cordon, reboot and
 * power request, after every journal entry, and at the end. It counts what it looked at, so that a check that never looked fails.
 */
import { judgePod } from '../../src/evacuation/verdict.ts';
import type { Cluster, ClusterView } from '../../src/ports/cluster.ts';
import type { Bmc } from '../../src/ports/bmc.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Shell } from '../../src/ports/shell.ts';
import { foldRun, foldServer } from '../../src/engine/run-log.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import type { RunState } from '../../src/workflow/run-state.ts';
import { emptyServerState, type ServerState } from '../../src/workflow/server-state.ts';
import type { Doors, Simulation } from './harness.ts';

export type Invariant =
  | '1 budget'
  | '2 lease'
  | '3 protected pods'
  | '4 uncordon'
  | '6 moved once'
  | '7 one power cycle'
  | '8 failed keeps its place'
  | '9 ends and owners';

export class Checker {
  readonly violations: { readonly invariant: Invariant; readonly text: string }[] = [];
  readonly looks: Record<string, number> = {};
  #simulation: Simulation | undefined;
  #observer: SimulatedCluster | undefined;
  #run: RunState | undefined;

  attach(simulation: Simulation): void {
    this.#simulation = simulation;
    this.#observer = new SimulatedCluster(simulation.world.api);
  }

  /** Goes around a daemon's doors: looks before each effect. What stands between engine and checker may lie; this sees the world. */
  watch(daemon: string, doors: Doors): Doors {
    return {
      ...doors,
      cluster: this.#watchCluster(daemon, doors.cluster),
      journal: this.#watchJournal(doors.journal),
      bmcOf: (server) => this.#watchBmc(daemon, server, doors.bmcOf(server)),
      shellOf: (server) => this.#watchShell(daemon, server, doors.shellOf(server)),
    };
  }

  #look(invariant: Invariant, holds: boolean, text: () => string): void {
    this.looks[invariant] = (this.looks[invariant] ?? 0) + 1;
    if (!holds) this.violations.push({ invariant, text: text() });
  }

  #holdsLease(daemon: string, server: string, doing: string): void {
    const holder = this.#simulation?.table.holders()[`server/${server}`];
    this.#look(
      '2 lease',
      holder === daemon,
      () => `${daemon} did ${doing} on ${server}, whose lease ${holder ?? 'nobody'} holds`,
    );
  }

  #serverOf(node: string): string {
    return node;
  }

  async #view(): Promise<ClusterView> {
    if (!this.#observer) throw new Error('attach first');
    return this.#observer.view(AbortSignal.timeout(60_000));
  }

  #watchCluster(daemon: string, inner: Cluster): Cluster {
    return around(inner, {
      cordon: async (node: unknown) => {
        this.#holdsLease(daemon, this.#serverOf(String(node)), 'cordon');
        await this.#checkBudget(String(node));
      },
      uncordon: async (node: unknown, runId: unknown) => {
        this.#holdsLease(daemon, this.#serverOf(String(node)), 'uncordon');
        await this.#checkUncordon(String(node), String(runId));
      },
      evict: async (pod: unknown) => {
        const { uid, name } = pod as { uid: string; name: string };
        const before = this.#simulation?.world.evictionsByUid.get(uid) ?? 0;
        this.#look('6 moved once', before === 0, () => `${name} (${uid}) is evicted again`);
      },
    });
  }

  async #checkBudget(node: string): Promise<void> {
    const run = await this.#latestRun();
    if (!run) return;
    const { nodes } = await this.#view();
    const isOut = (name: string): boolean => {
      const seen = nodes.find((candidate) => candidate.name === name);
      return !seen?.ready || seen.cordon.kind !== 'none';
    };
    if (isOut(node)) return;
    const out = run.definition.servers.filter((server) => server.node === node || isOut(server.node));
    const max = run.definition.maxUnavailable;
    this.#look('1 budget', out.length <= max, () => `${out.map((s) => s.name).join(', ')} unavailable, at most ${max}`);
    const domains = new Set(
      [...run.admitted, this.#serverOf(node)].map(
        (name) => run.definition.servers.find((s) => s.name === name)?.domain,
      ),
    );
    this.#look('1 budget', domains.size <= 1, () => `domains ${[...domains].join(', ')} at once`);
  }

  async #checkUncordon(node: string, runId: string): Promise<void> {
    const { nodes } = await this.#view();
    const cordon = nodes.find((candidate) => candidate.name === node)?.cordon;
    if (cordon?.kind !== 'ours' || cordon.runId !== runId) return;
    const run = await this.#latestRun();
    const server = run?.definition.servers.find((candidate) => candidate.node === node);
    if (!run || !server) return;
    const state = await this.#server(run.definition, server.name);
    const isVerified = state.steps['verify']?.kind === 'finished';
    this.#look('4 uncordon', isVerified || state.undo !== undefined, () => `${node} uncordoned before verification`);
  }

  #watchBmc(daemon: string, server: string, inner: Bmc): Bmc {
    return around(inner, {
      requestPower: async (request: unknown) => {
        this.#holdsLease(daemon, server, `power ${String(request)}`);
        if (request !== 'on') await this.#checkEmpty(server, `power ${String(request)}`);
      },
    });
  }

  #watchShell(daemon: string, server: string, inner: Shell): Shell {
    return around(inner, {
      run: async () => {
        this.#holdsLease(daemon, server, 'a command');
      },
      requestReboot: async () => {
        this.#holdsLease(daemon, server, 'reboot');
        await this.#checkEmpty(server, 'reboot');
      },
    });
  }

  async #checkEmpty(server: string, doing: string): Promise<void> {
    const run = await this.#latestRun();
    if (!run) return;
    const view = await this.#view();
    const left = view.pods.filter(
      (pod) => pod.node === server && judgePod(pod, view.budgets, run.definition.evacuation).kind !== 'stays',
    );
    this.#look(
      '3 protected pods',
      left.length === 0,
      () => `${doing} of ${server} with ${left.map((p) => p.name).join(', ')}`,
    );
  }

  /** After each append the run's state says who has a place. */
  #watchJournal(inner: Journal): Journal {
    const check = async (): Promise<void> => {
      const run = await this.#latestRun();
      if (!run) return;
      const taken = [...run.admitted];
      const halted = taken.filter((name) => run.ends[name]?.outcome === 'halted');
      const places = Math.max(run.definition.maxUnavailable, halted.length);
      const { nodes } = await this.#view();
      this.#look(
        '8 failed keeps its place',
        taken.length <= places + this.#down(run, nodes),
        () => `${taken.join(', ')} have a place`,
      );
    };
    return new Proxy(inner, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property, target);
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]): Promise<unknown> => {
          const result: unknown = await Reflect.apply(member, target, args);
          if (property === 'append') await check();
          return result;
        };
      },
    });
  }

  /** Servers that are down may be admitted without another place, so they do not count against it. */
  #down(run: RunState, nodes: ClusterView['nodes']): number {
    return run.definition.servers.filter((server) => {
      const node = nodes.find((candidate) => candidate.name === server.node);
      return !node?.ready || node.cordon.kind === 'foreign';
    }).length;
  }

  /** After the end: nobody is left half way without a word, and nothing was done twice. */
  async finish(): Promise<void> {
    const run = await this.#latestRun();
    const simulation = this.#simulation;
    if (!run || !simulation) throw new Error('there was no run');
    this.#look(
      '9 ends and owners',
      run.ended !== undefined,
      () => `the run has not ended: ${JSON.stringify(run.hold)}`,
    );
    this.#look(
      '9 ends and owners',
      run.ended?.outcome === 'done' || run.ended?.reason !== '',
      () => 'ended without a reason',
    );
    const { nodes } = await this.#view();
    for (const server of run.definition.servers) {
      const node = nodes.find((candidate) => candidate.name === server.node);
      const end = run.ends[server.name];
      const mayBeCordoned = end?.outcome === 'halted' || end?.outcome === 'skipped';
      const isOurs = node?.cordon.kind === 'ours';
      this.#look(
        '9 ends and owners',
        !isOurs || mayBeCordoned,
        () => `${server.name} is left cordoned although ${end?.outcome}`,
      );
      const state = await this.#server(run.definition, server.name);
      this.#checkPower(server.name, state);
    }
    for (const [uid, count] of simulation.world.evictionsByUid) {
      this.#look('6 moved once', count <= 1, () => `pod ${uid} was evicted ${count} times`);
    }
  }

  /** One "on" in the journal, at most one power-on in the world; one rung, at most one boot. */
  #checkPower(server: string, _state: ServerState): void {
    const machine = this.#simulation?.world.machines.get(server);
    if (!machine) return;
    const entries = this.#simulation?.journal.snapshot().filter(({ stream }) => stream.server === server) ?? [];
    const asked = entries.filter(
      ({ entry }) => entry.event.kind === 'powerAsked' && entry.event.request === 'on',
    ).length;
    const rungs = entries.filter(({ entry }) => entry.event.kind === 'rungStarted').length;
    this.#look(
      '7 one power cycle',
      machine.powerCycles <= asked,
      () => `${server}: ${machine.powerCycles} power-ons for ${asked} intents`,
    );
    this.#look(
      '7 one power cycle',
      machine.boots <= rungs,
      () => `${server}: ${machine.boots} boots for ${rungs} intents`,
    );
  }

  async #latestRun(): Promise<RunState | undefined> {
    const journal = this.#simulation?.journal;
    const runId = (await journal?.runIds())?.at(-1);
    if (!journal || runId === undefined) return undefined;
    const known = this.#run;
    const next = foldRun(known, await journal.read({ runId }, known?.version ?? 0));
    if (next && next.version >= (this.#run?.version ?? 0)) this.#run = next;
    return next;
  }

  async #server(definition: RunDefinition, server: string): Promise<ServerState> {
    const entries = (await this.#simulation?.journal.read({ runId: definition.runId, server })) ?? [];
    return foldServer(emptyServerState(server, definition.program), entries, definition);
  }
}

/** Runs `before` ahead of the named methods; everything else goes straight through. */
function around<T extends object>(
  inner: T,
  before: Readonly<Record<string, (...args: unknown[]) => Promise<void>>>,
): T {
  return new Proxy(inner, {
    get: (target, property) => {
      const member: unknown = Reflect.get(target, property, target);
      if (typeof member !== 'function') return member;
      const look = before[String(property)];
      if (!look) return (...args: unknown[]): unknown => Reflect.apply(member, target, args);
      return async (...args: unknown[]): Promise<unknown> => {
        await look(...args);
        return Reflect.apply(member, target, args);
      };
    },
  });
}
