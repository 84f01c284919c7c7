/**
 * The freeze of one passage: from the last moment on the source to the first on the target, and what becomes of it where the
 * two lose each other in between.
 *
 * The source passes the commit point by itself. Afterwards nothing but the target's own word, or the proof that nothing of
 * this move runs there, gives the pod back to the source.
 */
import type { NodeView } from '../../cluster/node.ts';
import type { Bmc } from '../../ports/bmc.ts';
import type { Clock } from '../../ports/clock.ts';
import { freezeOf, notesOf, type Freeze, type Note } from './freeze-parts.ts';
import { runJob, runToEnd, type Job, type JobResult } from './jobs.ts';
import type { Trip } from './passage.ts';
import { pulseOf, whyDown, type Pulse } from './pulse.ts';
import * as scripts from './scripts.ts';

export type CutResult =
  | Moved
  | { readonly kind: 'rolledBack'; readonly because: string }
  | Unclear
  /** Nothing of the pod is on the source any more: it has moved, or the source was rebooted. */
  | { readonly kind: 'sourceLost' }
  | { readonly kind: 'running' };

export interface Moved extends Freeze {
  readonly kind: 'moved';
  /** It ran already when its memory stopped coming, and was restored once more from the freeze. */
  readonly isIncomplete: boolean;
  readonly targetBootId: string;
  /** Now that it is over. */
  readonly targetPulse: Pulse;
}

/** It stands still, and whether the target has begun is not known. */
export interface Unclear {
  readonly kind: 'unclear';
  readonly because: string;
  readonly targetBootId: string;
}

const minuteMs = 60_000;

export class Cut {
  readonly #trip: Trip;
  readonly #clock: Clock;

  constructor(trip: Trip, clock: Clock) {
    this.#trip = trip;
    this.#clock = clock;
  }

  /** Picked up where it is by whoever asks again; `patienceMs` bounds the waiting, not the work. */
  async run(patienceMs: number, signal: AbortSignal): Promise<CutResult> {
    const { id, source, timeoutMs } = this.#trip;
    const job = { id: `${id}.cut`, script: scripts.cutText(id), timeoutMs, patienceMs };
    return this.#resultOf(await runJob(source.shell, job, signal), signal);
  }

  /** Where it ended without a clear word, or was cut short: the target is asked once more. */
  async again(signal: AbortSignal): Promise<CutResult> {
    const { id, source } = this.#trip;
    return this.#resultOf(await runJob(source.shell, this.#anew('again', scripts.cutAgainText(id)), signal), signal);
  }

  /** What proves that nothing of this move runs on the target, nor ever will. Undefined: nothing does. */
  async whyTargetIsDown(
    { targetBootId }: Unclear | Moved,
    node: NodeView | undefined,
    bmc: Bmc,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const pulse = await pulseOf(this.#trip.target.shell, targetBootId, this.#clock, signal);
    return whyDown(node, bmc, pulse, signal);
  }

  /** Past the commit point, once that is proved: the source runs on. */
  async reclaim(signal: AbortSignal): Promise<'aborted' | 'moved' | 'unclear'> {
    const { id, source } = this.#trip;
    const said = await runJob(source.shell, this.#anew('reclaim', scripts.reclaimText(id)), signal);
    return said.kind === 'said' && (said.word === 'aborted' || said.word === 'moved') ? said.word : 'unclear';
  }

  async #resultOf(result: JobResult, signal: AbortSignal): Promise<CutResult> {
    if (result.kind === 'running') return { kind: 'running' };
    if (result.kind === 'rebooted') return { kind: 'sourceLost' };
    if (result.kind === 'lost') return { kind: 'unclear', because: result.because, targetBootId: '' };
    const targetBootId = scripts.factsOf(result.output).get('targetBoot')?.[0] ?? '';
    switch (result.word) {
      case 'running':
        return { kind: 'running' };
      case 'moved':
        return { kind: 'moved', targetBootId, ...(await this.#arrival(notesOf(result.output), targetBootId, signal)) };
      case 'cleaned':
        return { kind: 'sourceLost' };
      case 'rolledBack':
        return { kind: 'rolledBack', because: result.rest };
      default:
        return { kind: 'unclear', because: result.rest || result.word, targetBootId };
    }
  }

  async #arrival(
    notes: readonly Note[],
    targetBootId: string,
    signal: AbortSignal,
  ): Promise<Freeze & { isIncomplete: boolean; targetPulse: Pulse }> {
    const { id, target } = this.#trip;
    const targetPulse = await pulseOf(target.shell, targetBootId, this.#clock, signal);
    // A target that dies now takes its notes along; what the source said stands.
    if (targetPulse !== 'same') return { ...freezeOf(notes, []), isIncomplete: false, targetPulse };
    const script = `sed 's/^/note /' /run/pitcrew/moves/${id}/notes`;
    const there = notesOf(await runToEnd(target.shell, { id: `${id}.notes`, script, timeoutMs: minuteMs }, signal));
    const isIncomplete = there.some(({ text }) => /^pages \S+ [1-9]/.test(text));
    return { ...freezeOf(notes, there), isIncomplete, targetPulse };
  }

  /** May be asked again and again, so under a new name each time. */
  #anew(name: string, script: string): Job {
    const id = `${this.#trip.id}.${name}-${this.#clock.nowMs().toString(36)}`;
    return { id, script, timeoutMs: minuteMs, patienceMs: minuteMs };
  }
}
