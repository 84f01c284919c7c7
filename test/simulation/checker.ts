/**
 * The invariants of `architecture.md`, checked on the world itself while a simulation runs: at every cordon, eviction,
 * reboot and power request, after every journal entry, and at the end.
 *
 * It reads journal and world by itself (`records.ts`) instead of asking the engine's own state, and counts what it looked
 * at, so that a check that never looked fails.
 */
import { numberAt, recordAt, textAt } from '../../src/cluster/json.ts';
import { parsePod } from '../../src/cluster/parse.ts';
import type { NodeView } from '../../src/cluster/node.ts';
import { templateHashLabel } from '../../src/cluster/released.ts';
import { judgePod } from '../../src/evacuation/verdict.ts';
import type { Bmc } from '../../src/ports/bmc.ts';
import type { Cluster, ClusterView } from '../../src/ports/cluster.ts';
import type { Journal } from '../../src/ports/journal.ts';
import type { Shell, ShellCommand } from '../../src/ports/shell.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import type { NodeObject } from '../../src/simulator/kubernetes/objects.ts';
import type { Migrator } from '../../src/simulator/migrators/migrator.ts';
import { diskOf } from '../../src/simulator/shell.ts';
import { around } from './around.ts';
import { checkEnd } from './ends.ts';
import type { Doors, Simulation } from './harness.ts';
import { watchPlacement } from './placement.ts';
import { Records, type RunRecord } from './records.ts';
import { watchWindows } from './window-checker.ts';

export type Invariant =
  | '1 budget'
  | '2 lease'
  | '3 protected pods'
  | '4 uncordon'
  | '5 window'
  | '6 moved once'
  | '7 one power cycle'
  | '8 failed keeps its place'
  | '9 ends and owners'
  | '10 journal alone';

export interface Violation {
  readonly invariant: Invariant;
  readonly text: string;
}

export type Look = (invariant: Invariant, holds: boolean, text: () => string) => void;

export class Checker {
  readonly violations: Violation[] = [];
  readonly looks: Record<string, number> = {};
  readonly records = new Records();
  /** By server: boots and power-ons that were somebody else's doing. */
  readonly foreignBoots = new Map<string, number>();
  readonly foreignPowerOns = new Map<string, number>();
  /** Live migrators of this installation: what they have committed must not be cut off. */
  readonly migrators: Pick<Migrator, 'nodesPastCommit'>[] = [];
  /** Nodes that somebody else has cordoned just now. */
  readonly foreignCordons = new Set<string>();
  readonly #unnoticed = new Map<string, { readonly holder: string | undefined; readonly untilMs: number }>();
  #simulation: Simulation | undefined;
  #observer: SimulatedCluster | undefined;

  attach(simulation: Simulation): void {
    this.#simulation = simulation;
    this.#observer = new SimulatedCluster(simulation.world.api);
    watchPlacement(simulation, this.records, this.look);
    watchWindows(simulation, (holds, text) => this.look('5 window', holds, text));
    simulation.world.api.store.subscribe(({ kind, object, previous }) => {
      if (kind !== kinds.nodes) return;
      const [before, now] = [previous as NodeObject | undefined, object as NodeObject];
      const isLifted = before?.spec.unschedulable === true && now.spec.unschedulable !== true;
      // Whoever lifts the cordon of somebody else takes it off this list first.
      const isForeign = this.foreignCordons.has(now.metadata.name);
      if (isLifted) this.look('4 uncordon', !isForeign, () => `${now.metadata.name} was cordoned by somebody else`);
    });
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

  readonly look: Look = (invariant, holds, text) => {
    this.looks[invariant] = (this.looks[invariant] ?? 0) + 1;
    if (!holds) this.violations.push({ invariant, text: text() });
  };

  get simulation(): Simulation {
    if (!this.#simulation) throw new Error('attach first');
    return this.#simulation;
  }

  async view(): Promise<ClusterView> {
    if (!this.#observer) throw new Error('attach first');
    return this.#observer.view(AbortSignal.timeout(60_000));
  }

  /** After the end: nobody is left half way without a word, and nothing was done twice. */
  async finish(): Promise<void> {
    this.#readJournal();
    await checkEnd(this);
  }

  noteForeignBoot(server: string, how: 'boot' | 'powerOn'): void {
    const add = (counts: Map<string, number>): void => void counts.set(server, (counts.get(server) ?? 0) + 1);
    add(this.foreignBoots);
    if (how === 'powerOn') add(this.foreignPowerOns);
  }

  /** A holder that slept too long cannot know that its lease is gone. */
  noteLateNotice(lease: string, forMs: number): void {
    this.#unnoticed.set(lease, {
      holder: this.simulation.table.holders()[lease],
      untilMs: this.simulation.clock.nowMs() + forMs,
    });
  }

  #readJournal(): void {
    const { records } = this;
    for (const { run, server } of records.note(this.simulation.journal.snapshot(records.count))) {
      this.#checkVerified(run, server);
    }
  }

  #holdsLease(daemon: string, server: string, doing: string): void {
    const lease = `server/${server}`;
    const holder = this.simulation.table.holders()[lease];
    const slept = this.#unnoticed.get(lease);
    // Nobody can know what it slept through; but once another has the lease, not even the sleeper may act.
    const isAsleep = holder === undefined && slept?.holder === daemon && this.simulation.clock.nowMs() <= slept.untilMs;
    this.look(
      '2 lease',
      holder === daemon || isAsleep,
      () => `${daemon} did ${doing} on ${server}, whose lease ${holder ?? 'nobody'} holds`,
    );
  }

  /** The Lease that everybody else in the cluster can see: what is done to a server without it may be done by two. */
  #holdsNodeLease(run: RunRecord | undefined, server: string, doing: string): void {
    if (!run || run.definition.purpose === 'return') return;
    const { api } = this.simulation.world;
    const spec = recordAt(api.store.get(kinds.leases, 'medik8s-leases', `node-${server}`), 'spec');
    const untilMs = Date.parse(textAt(spec, 'renewTime')) + numberAt(spec, 'leaseDurationSeconds') * 1_000;
    const isOurs = textAt(spec, 'holderIdentity') === `pitcrew-${run.definition.runId}`;
    this.look(
      '2 lease',
      isOurs && untilMs >= this.simulation.clock.nowMs(),
      () =>
        `${doing} on ${server} without the node's Lease, which "${textAt(spec, 'holderIdentity')}" holds until ${untilMs}`,
    );
  }

  #watchCluster(daemon: string, inner: Cluster): Cluster {
    return around(inner, {
      cordon: async (node, runId) => {
        this.#holdsLease(daemon, String(node), 'cordon');
        await this.#checkBudget(String(node), String(runId));
      },
      uncordon: async (node, runId) => {
        this.#holdsLease(daemon, String(node), 'uncordon');
        await this.#checkUncordon(String(node), String(runId));
      },
      evict: async (pod) => {
        const { uid, name, namespace } = pod as { uid: string; name: string; namespace: string };
        const before = this.simulation.world.evictionsByUid.get(uid) ?? 0;
        this.look('6 moved once', before === 0, () => `${name} (${uid}) is evicted again`);
        const node = this.simulation.world.api.store.get(kinds.pods, namespace, name)?.spec.nodeName;
        if (node === undefined) return;
        this.#holdsLease(daemon, node, `eviction of ${name}`);
        const run = this.records.runOf(node);
        if (run?.rebalance) this.#checkRebalancing(run, { uid, name, namespace });
        else this.#holdsNodeLease(run, node, `eviction of ${name}`);
      },
    });
  }

  /** From a server in service: only what was written down, may be restarted, and was not moved by this run before. */
  #checkRebalancing(run: RunRecord, pod: { uid: string; name: string; namespace: string }): void {
    const object = this.simulation.world.api.store.get(kinds.pods, pod.namespace, pod.name);
    if (!object) return;
    const seen = parsePod(object);
    const isIntended = run.rebalance?.open === pod.uid;
    this.look('6 moved once', isIntended, () => `${pod.name} is evicted after the run, and no intent says so`);
    this.look('6 moved once', seen.createdMs < run.firstMoveMs, () => `${pod.name} was moved before, and is restarted`);
    // A surge has taken it out of its ReplicaSet by now.
    const owner = seen.owner ?? (seen.labels[templateHashLabel] && { kind: 'ReplicaSet', name: '', uid: '' });
    const verdict = judgePod({ ...seen, owner: owner || undefined }, [], run.definition.evacuation);
    const mayRestart = verdict.kind === 'moves' && verdict.ways.some((way) => way !== 'live');
    this.look('3 protected pods', mayRestart, () => `${pod.name} is restarted to even out servers: ${verdict.kind}`);
  }

  async #checkBudget(node: string, runId: string): Promise<void> {
    const run = this.records.run(runId);
    if (run?.definition.purpose !== 'maintenance') return;
    const { nodes } = await this.view();
    const nodeOf = new Map(nodes.map((seen) => [seen.name, seen]));
    const { servers, maxUnavailable } = run.definition;
    if (isOut(nodeOf.get(node))) return;
    const names = servers.map((server) => server.name);
    const keepers = names.filter((name) => run.servers.get(name)?.holdsPlace);
    const out = names.filter((name) => name === node || isOut(nodeOf.get(name)));
    const withKeepers = new Set([...out, ...keepers]);
    this.look(
      '1 budget',
      out.length <= maxUnavailable,
      () => `${out.join(', ')} unavailable, at most ${maxUnavailable}`,
    );
    if (out.length <= maxUnavailable) {
      const text = (): string => `${[...withKeepers].join(', ')} have a place, there are ${maxUnavailable}`;
      this.look('8 failed keeps its place', withKeepers.size <= maxUnavailable, text);
    }
    const domainOf = (name: string): string => servers.find((server) => server.name === name)?.domain ?? '';
    const working = names.filter((name) => name === node || isOursNow(nodeOf.get(name), run, name));
    const isOne = new Set(working.map(domainOf)).size === 1;
    this.look('1 budget', isOne, () => `domains of ${working.join(', ')} at once`);
    const failed = keepers.filter((name) => domainOf(name) !== domainOf(node));
    if (isOne) {
      const text = (): string => `${node} starts while ${failed.join(', ')} of another domain failed`;
      this.look('8 failed keeps its place', failed.length === 0, text);
    }
  }

  async #checkUncordon(node: string, runId: string): Promise<void> {
    const before = (await this.view()).nodes.find((candidate) => candidate.name === node)?.cordon;
    const run = this.records.run(runId);
    const record = run?.servers.get(node);
    // `pitcrew return` is a person's word that the server is good.
    const isByWord = this.records.runOf(node)?.definition.purpose === 'return';
    if (before?.kind === 'ours' && before.runId === runId && record && !isByWord) {
      const isAllowed = !record.isTouched || record.isVerified;
      this.look('4 uncordon', isAllowed, () => `${node} uncordoned before verification`);
    }
  }

  /** Verification that is only written down is none. */
  #checkVerified(run: RunRecord, server: string): void {
    const machine = this.simulation.world.machines.get(server);
    if (!machine || run.definition.purpose !== 'maintenance') return;
    const { kernel, newestKernel, failedUnits } = machine;
    const isSound = kernel === newestKernel && failedUnits.length === 0;
    this.look(
      '4 uncordon',
      isSound,
      () => `${server} counts as verified with ${kernel}, failed: ${failedUnits.join()}`,
    );
  }

  #watchBmc(daemon: string, server: string, inner: Bmc): Bmc {
    return around(inner, {
      requestPower: async (request) => {
        const doing = `power ${String(request)}`;
        this.#holdsLease(daemon, server, doing);
        const machine = this.simulation.world.machines.get(server);
        // Asking for what is so already does nothing; a soft request is heard only by a system that is up.
        const isHeard = request === 'soft' ? machine?.system === 'up' : machine?.power !== request;
        if (!isHeard) return;
        this.#holdsNodeLease(this.records.runOf(server), server, doing);
        if (request !== 'on') await this.#checkEmpty(server, doing);
      },
    });
  }

  #watchShell(daemon: string, server: string, inner: Shell): Shell {
    const isKnown = (id: string): boolean => {
      const machine = this.simulation.world.machines.get(server);
      return machine === undefined || diskOf(machine).jobs.has(id);
    };
    return around(inner, {
      run: async (command) => {
        this.#holdsLease(daemon, server, 'a command');
        const { id } = command as ShellCommand;
        const run = this.records.runOf(server);
        // Checks only look, so they may look as often as they like; everything else is done once for one intent.
        if (!run || isKnown(id) || /\.at\d+$/.test(id)) return;
        const isIntended = run.servers.get(server)?.commandIds.has(id) === true;
        this.look('7 one power cycle', isIntended, () => `${id} is run on ${server}, and no intent says so`);
      },
      requestReboot: async (id) => {
        this.#holdsLease(daemon, server, 'reboot');
        if (isKnown(String(id))) return;
        this.#holdsNodeLease(this.records.runOf(server), server, 'reboot');
        await this.#checkEmpty(server, 'reboot');
      },
    });
  }

  async #checkEmpty(server: string, doing: string): Promise<void> {
    for (const migrator of this.migrators) {
      const isPast = migrator.nodesPastCommit().includes(server);
      this.look(
        '3 protected pods',
        !isPast,
        () => `${doing} of ${server} while a move from it is past its commit point`,
      );
    }
    const run = this.records.runOf(server);
    if (!run) return;
    const view = await this.view();
    const left = view.pods.filter(
      (pod) => pod.node === server && judgePod(pod, view.budgets, run.definition.evacuation).kind !== 'stays',
    );
    const text = (): string => `${doing} of ${server} with ${left.map((pod) => pod.name).join(', ')}`;
    this.look('3 protected pods', left.length === 0, text);
  }

  #watchJournal(inner: Journal): Journal {
    const read = async (): Promise<() => Promise<void>> => async () => this.#readJournal();
    return around(inner, { append: read });
  }
}

function isOut(node: NodeView | undefined): boolean {
  return !node?.ready || node.cordon.kind !== 'none';
}

/** Out because of this run, and still being worked at. */
function isOursNow(node: NodeView | undefined, run: RunRecord, name: string): boolean {
  const record = run.servers.get(name);
  const isOurs = node?.cordon.kind === 'ours' && node.cordon.runId === run.definition.runId;
  return isOurs && record?.admitted === true && !record.holdsPlace;
}
