/**
 * The way back of a pod whose object is gone already while its containers run on, held, on the source: they go the same way
 * once more, from the source onto itself, past the scheduler, because the node takes no new pods. Where the network gives a
 * new pod another address this costs the pod its connections: it has them until then, and cannot be left without an object.
 *
 * It never ends a container that serves: where it does not get through, the pod runs on and a person is told.
 */
import { recordAt, textAt } from '../../cluster/json.ts';
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

/** Gives the uid of the pod that runs on now. @throws `mover/unclear` where it could not be taken back */
export async function comeBack(away: Passage, { objects, clock }: Needs, signal: AbortSignal): Promise<string> {
  const newcomer = await away.newcomer(signal);
  const metadata = recordAt(newcomer, 'metadata');
  const { id, source, timeoutMs } = away.trip;
  const lost = away.trip.pod;
  const pod: PodRef = newcomer
    ? { namespace: lost.namespace, name: textAt(metadata, 'name'), uid: textAt(metadata, 'uid') }
    : lost;
  const trip = {
    id: `${id}-back`,
    containersOf: away.trip.containersOf,
    pod,
    source,
    target: source,
    isBound: true,
    keepsAddress: away.trip.keepsAddress,
    lazyFromBytes: 0,
    timeoutMs,
  };
  const back = new Passage(trip, objects, clock);
  await away.withdraw(signal);
  const last = await through(back, clock, signal);
  if (last === undefined) {
    const uid = textAt(recordAt(await back.newcomer(signal), 'metadata'), 'uid');
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
