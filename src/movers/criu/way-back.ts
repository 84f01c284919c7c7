/**
 * The way back of a pod whose object is gone already while its containers run on, held, on the source: they go the same way
 * once more, from the source onto itself, past the scheduler, because the node takes no new pods. Where the network gives a
 * new pod another address this costs the pod its connections: it has them until then, and cannot be left without an object.
 *
 * It never ends a container that serves: where it does not get through, the pod runs on and a person is told.
 */
import { listAt, recordAt, textAt, type JsonRecord } from '../../cluster/json.ts';
import { podKey, type PodRef } from '../../cluster/pod.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ApiObjects } from '../../ports/objects.ts';
import { Passage } from './passage.ts';

/** A pod may have less memory than it looks like from outside, but the way back has to end some time. */
const wayBackMs = 120_000;
const pauseMs = 500;

interface Needs {
  readonly objects: ApiObjects;
  readonly clock: Clock;
}

/**
 * The uid under which it is back already; `undefined`: it is not. Whoever died between the way back and writing it down left
 * nothing else to go by, and must not set out on it a second time: what he came from is gone.
 */
export async function cameBack(away: Passage, needs: Needs, signal: AbortSignal): Promise<string | undefined> {
  const back = wayBackOf(away, away.trip.pod, needs);
  const pod = await back.newcomer(signal);
  // A container counts as started only once it is restored, and what is still to be done for it there is not cleaned away.
  if (!isStarted(pod) || (await back.clean(signal)) === 'kept') return undefined;
  return uidOf(pod);
}

/** Gives the uid of the pod that runs on now. @throws `mover/unclear` where it could not be taken back */
export async function comeBack(away: Passage, needs: Needs, signal: AbortSignal): Promise<string> {
  const already = await cameBack(away, needs, signal);
  if (already !== undefined) return already;
  const { clock } = needs;
  const newcomer = await away.newcomer(signal);
  const metadata = recordAt(newcomer, 'metadata');
  const { id, source, pod: lost } = away.trip;
  const pod: PodRef = newcomer
    ? { namespace: lost.namespace, name: textAt(metadata, 'name'), uid: textAt(metadata, 'uid') }
    : lost;
  const back = wayBackOf(away, pod, needs);
  await away.withdraw(signal);
  const last = await through(back, clock, signal);
  if (last === undefined) {
    const uid = uidOf(await back.newcomer(signal));
    await back.clean(signal);
    return uid;
  }
  throw new MaintenanceError(
    'mover/unclear',
    'halt',
    `${podKey(lost)} runs on on ${source.node}, but Kubernetes does not know it any more, and it could not be taken back: ${last}. Removing /run/pitcrew/containers there lets its kubelet end it`,
    { details: { move: id } },
  );
}

/** `pod`: whose object goes, so that another is made. */
function wayBackOf({ trip }: Passage, pod: PodRef, { objects, clock }: Needs): Passage {
  const { id, containersOf, source, keepsAddress, timeoutMs } = trip;
  const ends = { source, target: source, isBound: true };
  return new Passage(
    { id: `${id}-back`, containersOf, pod, ...ends, keepsAddress, lazyFromBytes: 0, timeoutMs },
    objects,
    clock,
  );
}

function isStarted(pod: JsonRecord | undefined): boolean {
  const containers = listAt(recordAt(pod, 'status'), 'containerStatuses');
  return containers.length > 0 && containers.every((container) => 'running' in recordAt(container, 'state'));
}

function uidOf(pod: JsonRecord | undefined): string {
  return textAt(recordAt(pod, 'metadata'), 'uid');
}

/** Undefined: it is back. Else what was in the way. */
async function through(back: Passage, clock: Clock, signal: AbortSignal): Promise<string | undefined> {
  const untilMs = clock.nowMs() + wayBackMs;
  let last = '';
  while (clock.nowMs() < untilMs) {
    const station = await back.approach(signal);
    switch (station.kind) {
      case 'ready': {
        const result = await back.cut.run(wayBackMs, signal);
        if (result.kind === 'moved') return undefined;
        if (result.kind === 'running') return 'it takes too long';
        return result.kind === 'sourceLost' ? 'its server was rebooted' : result.because;
      }
      case 'refused':
      case 'stuck':
        return station.because;
      case 'sourceLost':
        return 'its server was rebooted';
      case 'preparing':
      case 'arriving':
        last = station.note;
    }
    await clock.sleep(pauseMs, signal);
  }
  return last;
}
