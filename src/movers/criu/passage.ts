/**
 * One way of one pod from the server that it runs on to another one, or back onto the same.
 *
 * Every step is a script that runs at most once on its server, or a request that may be repeated, so the whole way is gone
 * again from its beginning by whoever picks it up, and what was done is not done again. What can fail comes before the pod's
 * object is deleted. It never passes the commit point by itself: the source does, once it is let.
 */
import { flagAt, listAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import type { PodRef } from '../../cluster/pod.ts';
import { MaintenanceError, unreachable } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ApiObjects, ObjectKind } from '../../ports/objects.ts';
import type { Shell } from '../../ports/shell.ts';
import { Cut } from './cut.ts';
import { runJob, runToEnd, type JobResult } from './jobs.ts';
import { bootIdOf } from './pulse.ts';
import * as scripts from './scripts.ts';
import * as steering from './steering.ts';

/** A server, as both sides of a passage see it. */
export interface End {
  readonly node: string;
  readonly shell: Shell;
  readonly sshUser: string;
  /** Where the other server reaches its sshd. */
  readonly address: string;
  readonly port: number;
  readonly network: string;
}

export interface Trip {
  readonly id: string;
  /** The pod whose containers are taken along. */
  readonly containersOf: string;
  /** The object that is deleted, so that its controller makes another. */
  readonly pod: PodRef;
  readonly source: End;
  readonly target: End;
  readonly isBound: boolean;
  /** The new pod gets the old one's address, and the connections go along; else it gets another one, and they are closed. */
  readonly keepsAddress: boolean;
  readonly lazyFromBytes: number;
  /** Memory that has to go along, which the bounds follow from. */
  readonly timeoutMs: number;
}

export type Station =
  /** Nothing has been changed for the pod yet. */
  | { readonly kind: 'refused'; readonly because: string }
  | { readonly kind: 'preparing'; readonly note: string }
  /** The pod's object is gone, the pod runs on. */
  | { readonly kind: 'arriving'; readonly note: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'stuck'; readonly because: string }
  /** The source was rebooted: the pod's memory is gone. */
  | { readonly kind: 'sourceLost' };

interface TargetFacts {
  readonly kind: 'facts';
  readonly hostKeys: readonly string[];
  /** In which it was prepared. */
  readonly bootId: string;
}

const minuteMs = 60_000;
/** The range that Linux keeps for short-lived ports begins above. */
const firstPorts = { from: 20_000, count: 12_000 };

export class Passage {
  readonly trip: Trip;
  readonly cut: Cut;
  readonly #objects: ApiObjects;
  readonly #clock: Clock;

  constructor(trip: Trip, objects: ApiObjects, clock: Clock) {
    this.trip = trip;
    this.cut = new Cut(trip, clock);
    this.#objects = objects;
    this.#clock = clock;
  }

  /** Up to the moment in which the new pod's first container stands at the target's door. */
  async approach(signal: AbortSignal): Promise<Station> {
    const { trip } = this;
    const source = await this.#prepareSource(signal);
    if (source.kind !== 'facts') return source;
    const { bootId } = await trip.source.shell.readFacts(signal);
    if (source.facts.bootId !== '' && bootId !== source.facts.bootId) return { kind: 'sourceLost' };
    // Asked first: a script that waits for a server that is gone waits for longer than anybody wants to.
    const bootIdThere = await bootIdOf(trip.target.shell, this.#clock, signal);
    if (bootIdThere === undefined) return { kind: 'stuck', because: `${trip.target.node} does not answer` };
    const target = await this.#prepareTarget(source.facts, signal);
    if (target.kind !== 'facts') return target;
    if (target.bootId !== '' && bootIdThere !== target.bootId) {
      return { kind: 'stuck', because: `${trip.target.node} was rebooted meanwhile` };
    }
    const connected = await this.#job(trip.source, 'connect', this.#connectScript(target), minuteMs, signal);
    const problem = this.#problemOf(connected, 'connecting the servers');
    if (problem) return problem;
    const steered = await this.#steer(source.facts.address, signal);
    if (steered) return steered;
    await this.#handOver(signal);
    const arrived = await this.#await(signal);
    return arrived.kind === 'ready' ? this.#copyFiles(signal) : arrived;
  }

  /** Whether it was in time. The first decision stands, here and on the source. */
  async callOff(signal: AbortSignal): Promise<'aborted' | 'committed'> {
    const { id, source } = this.trip;
    // Under a new name each time: what was too late once may be in time after the target was proved to be down.
    const job = this.#quick(`abort-${this.#clock.nowMs().toString(36)}`, scripts.abortText(id));
    const said = await runJob(source.shell, job, signal);
    if (said.kind === 'said' && said.word === 'committed') return 'committed';
    if (said.kind !== 'said' || said.word !== 'aborted') {
      throw new MaintenanceError('service/failed', 'retry', `${source.node} does not say whether ${id} is called off`);
    }
    await this.callOffTarget(signal);
    return 'aborted';
  }

  /** A target that is silent learns it from its kubelet, which ends the pod. */
  async callOffTarget(signal: AbortSignal): Promise<'aborted' | 'committed' | 'silent'> {
    const { id, target } = this.trip;
    const name = `abort-target-${this.#clock.nowMs().toString(36)}`;
    const job = { ...this.#quick(name, scripts.abortTargetText(id)), patienceMs: 15_000 };
    const said = await runJob(target.shell, job, signal).catch(() => undefined);
    if (said?.kind !== 'said') return 'silent';
    return said.word === 'committed' ? 'committed' : 'aborted';
  }

  /** The pod that was made anew, once there is one. */
  async newcomer(signal: AbortSignal): Promise<JsonRecord | undefined> {
    const { id, pod } = this.trip;
    const pods = await this.#objects.list(steering.podsKind, { namespace: pod.namespace }, signal);
    return pods.find((found) => steering.isSteered(found, id));
  }

  /** Whether the pod's object has been deleted on this way already. */
  async isHandedOver(signal: AbortSignal): Promise<boolean> {
    const { pod } = this.trip;
    const found = await this.#objects.get(steering.podsKind, pod, signal);
    return textAt(recordAt(found, 'metadata'), 'uid') !== pod.uid;
  }

  /** Nobody is to follow this way any more; what it has on the servers stays, for the way back begins there. */
  async withdraw(signal: AbortSignal): Promise<void> {
    await removeNamed(this.#objects, steering.bindingsKind, this.trip.id, signal);
    await removeNamed(this.#objects, steering.policiesKind, this.trip.id, signal);
  }

  /**
   * Takes the policy away, and everything on those of the two servers that answer. `kept`: a pod still needs what is there,
   * which is not touched.
   */
  async clean(signal: AbortSignal): Promise<'clean' | 'kept'> {
    const { id, source, target } = this.trip;
    await this.withdraw(signal);
    let answer: 'clean' | 'kept' = 'clean';
    for (const end of new Set([source, target])) {
      // What lies on a server that is down is taken away by the sweep, once it answers again.
      if ((await bootIdOf(end.shell, this.#clock, signal)) === undefined) continue;
      if ((await cleanServer(end.shell, id, end.sshUser, this.#clock, signal)) === 'kept') answer = 'kept';
    }
    return answer;
  }

  async #prepareSource(signal: AbortSignal): Promise<{ kind: 'facts'; facts: scripts.SourceFacts } | Station> {
    const { id, containersOf, source, lazyFromBytes, keepsAddress } = this.trip;
    const firstPort = firstPorts.from + 2 * Math.floor((hashOf(id) % firstPorts.count) / 2);
    const order = { moveId: id, podUid: containersOf, lazyFromBytes, firstPort, keepsAddress };
    const script = scripts.prepareSourceText(order);
    const result = await this.#job(source, 'source', script, minuteMs, signal);
    const problem = this.#problemOf(result, 'preparing the source');
    if (problem || result.kind !== 'said') return problem ?? { kind: 'preparing', note: 'preparing the source' };
    return { kind: 'facts', facts: scripts.sourceFactsOf(result.output) };
  }

  async #prepareTarget(facts: scripts.SourceFacts, signal: AbortSignal): Promise<TargetFacts | Station> {
    const { id, pod, target, keepsAddress } = this.trip;
    const object = await this.#objects.get(steering.podsKind, pod, signal);
    const initContainers = listAt(recordAt(object, 'spec'), 'initContainers').map((init) => textAt(init, 'name'));
    const script = scripts.prepareTargetText({
      moveId: id,
      namespace: pod.namespace,
      initContainers,
      sshUser: target.sshUser,
      source: facts,
      keepsAddress,
    });
    const result = await this.#job(target, 'target', script, minuteMs, signal);
    const problem = this.#problemOf(result, 'preparing the target');
    if (problem || result.kind !== 'said') return problem ?? { kind: 'preparing', note: 'preparing the target' };
    const said = scripts.factsOf(result.output);
    return { kind: 'facts', hostKeys: said.get('hostKey') ?? [], bootId: said.get('boot')?.[0] ?? '' };
  }

  #connectScript({ hostKeys, bootId }: TargetFacts): string {
    const { id, target, keepsAddress } = this.trip;
    return scripts.connectText({
      moveId: id,
      targetAddress: target.address,
      targetPort: target.port,
      sshUser: target.sshUser,
      hostKeys,
      targetBootId: bootId,
      keepsAddress,
    });
  }

  /** The policy is believed to be at work when the API itself shows what it does: that takes a moment on every server of it. */
  async #steer(address: string, signal: AbortSignal): Promise<Station | undefined> {
    const { id, pod, isBound, target, keepsAddress } = this.trip;
    const object = await this.#objects.get(steering.podsKind, pod, signal);
    // Handed over already: the policy has been at work then.
    if (textAt(recordAt(object, 'metadata'), 'uid') !== pod.uid || !object) return undefined;
    const owner = listAt(recordAt(object, 'metadata'), 'ownerReferences').find((found) => flagAt(found, 'controller'));
    const isNamed = !owner || textAt(owner, 'kind') === 'StatefulSet';
    const meant = isNamed
      ? ({ kind: 'name', name: pod.name } as const)
      : ({ kind: 'owner', uid: textAt(owner, 'uid') } as const);
    const asked = keepsAddress ? steering.askingFor(target.network, address) : {};
    const wish = { id, namespace: pod.namespace, meant, node: target.node, isBound, asked };
    if (!owner) await this.#keepManifest(object, signal);
    await this.#objects.create(steering.policiesKind, '', steering.policyOf(wish), signal);
    await this.#objects.create(steering.bindingsKind, '', steering.bindingOf(wish), signal);
    const probe = steering.probeOf(object, id);
    for (let seen = 0; seen < 3; seen++) {
      const previewed = await this.#objects.preview(steering.podsKind, pod.namespace, probe, signal);
      if (!steering.isSteered(previewed, id)) {
        return { kind: 'preparing', note: 'the API does not steer the new pod yet' };
      }
    }
    return undefined;
  }

  /** The manifest of a pod that nobody makes anew lies on the source, in memory, readable by root alone. */
  async #keepManifest(object: JsonRecord, signal: AbortSignal): Promise<void> {
    const { id, source } = this.trip;
    const file = `/run/pitcrew/moves/${id}.source/manifest.json`;
    await source.shell.writeFile(file, JSON.stringify(steering.manifestOf(object)), signal);
  }

  async #handOver(signal: AbortSignal): Promise<void> {
    const { pod } = this.trip;
    const object = await this.#objects.get(steering.podsKind, pod, signal);
    if (object && textAt(recordAt(object, 'metadata'), 'uid') === pod.uid) {
      await this.#objects.remove(steering.podsKind, pod, pod.uid, signal, 0);
    }
    const owners = object ? listAt(recordAt(object, 'metadata'), 'ownerReferences') : [];
    if (owners.length === 0) await this.#makeBarePod(signal);
  }

  /** Only where a manifest was kept; what is there already is left as it is. */
  async #makeBarePod(signal: AbortSignal): Promise<void> {
    const { id, pod, source } = this.trip;
    if (await this.newcomer(signal)) return;
    const script = `cat /run/pitcrew/moves/${id}.source/manifest.json 2>/dev/null || true`;
    const stamp = this.#clock.nowMs().toString(36);
    const text = await runToEnd(source.shell, { id: `${id}.manifest-${stamp}`, script, timeoutMs: minuteMs }, signal);
    if (text.trim() === '') return;
    const manifest = JSON.parse(text) as JsonRecord;
    await this.#objects.create(steering.podsKind, pod.namespace, manifest, signal);
  }

  async #await(signal: AbortSignal): Promise<Station> {
    const { target } = this.trip;
    const result = await this.#job(
      target,
      'ready',
      scripts.awaitReadyText(this.trip.id, 120),
      3 * minuteMs,
      signal,
      4_000,
    );
    if (result.kind === 'running') return { kind: 'arriving', note: await this.#arrivalNote(signal) };
    if (result.kind === 'rebooted') return { kind: 'stuck', because: `${target.node} was rebooted meanwhile` };
    if (result.kind === 'lost') return { kind: 'stuck', because: result.because };
    if (result.word === 'ready') return { kind: 'ready' };
    return { kind: 'stuck', because: `the new pod did not come to ${target.node}: ${await this.#arrivalNote(signal)}` };
  }

  /** What is copied now need not be in the freeze. */
  async #copyFiles(signal: AbortSignal): Promise<Station> {
    const { id, source, timeoutMs } = this.trip;
    const result = await this.#job(source, 'first', scripts.firstCopyText(id), timeoutMs, signal, 4_000);
    if (result.kind === 'running') return { kind: 'arriving', note: 'copying its files' };
    return this.#problemOf(result, 'copying its files') ?? { kind: 'ready' };
  }

  async #arrivalNote(signal: AbortSignal): Promise<string> {
    const pod = await this.newcomer(signal);
    if (!pod) return 'its controller has not made it yet';
    const node = textAt(recordAt(pod, 'spec'), 'nodeName');
    const status = recordAt(pod, 'status');
    const reason = listAt(status, 'conditions').find((condition) => textAt(condition, 'status') === 'False');
    if (node === '') return `not scheduled: ${textAt(reason, 'message') || 'waiting'}`;
    return `on ${node}, ${textAt(status, 'reason') || textAt(status, 'phase') || 'Pending'}`;
  }

  #quick(name: string, script: string): { id: string; script: string; timeoutMs: number; patienceMs: number } {
    return { id: `${this.trip.id}.${name}`, script, timeoutMs: minuteMs, patienceMs: minuteMs };
  }

  #job(
    end: End,
    name: string,
    script: string,
    timeoutMs: number,
    signal: AbortSignal,
    patienceMs = timeoutMs,
  ): Promise<JobResult> {
    return runJob(end.shell, { id: `${this.trip.id}.${name}`, script, timeoutMs, patienceMs }, signal);
  }

  #problemOf(result: JobResult, doing: string): Station | undefined {
    switch (result.kind) {
      case 'running':
        return { kind: 'preparing', note: doing };
      case 'rebooted':
        return { kind: 'stuck', because: `a server was rebooted while ${doing}` };
      case 'lost':
        return { kind: 'refused', because: `${doing}: ${result.because}` };
      case 'said':
        return result.word === 'prepared'
          ? undefined
          : { kind: 'refused', because: result.rest || result.output.trim() };
      default:
        return unreachable(result);
    }
  }
}

/** By name, and whatever its uid: the name is that of one move. */
export async function removeNamed(
  objects: ApiObjects,
  kind: ObjectKind,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const place = { namespace: '', name };
  const found = await objects.get(kind, place, signal);
  if (found) await objects.remove(kind, place, textAt(recordAt(found, 'metadata'), 'uid'), signal);
}

/** `kept`: a pod still needs what is there. */
export async function cleanServer(
  shell: Shell,
  moveId: string,
  sshUser: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<'clean' | 'kept'> {
  const id = `${moveId}.clean-${clock.nowMs().toString(36)}`;
  const output = await runToEnd(shell, { id, script: scripts.cleanText(moveId, sshUser), timeoutMs: minuteMs }, signal);
  if (/^kept /m.test(output)) return 'kept';
  await shell.forget(`${moveId}.`, signal);
  return 'clean';
}

/** FNV-1a: any spread will do, the same for everybody who picks the move up. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash;
}
