/**
 * What becomes of a move once its freeze has begun: which of its ends it has come to, and what is still to be done there.
 *
 * It goes by what the two servers say and what is proved. It never thaws a source whose target may have begun, and calls
 * nothing done that the API does not show: another uid, on the target, Ready.
 */
import { listAt, numberAt, recordAt, textAt } from '../../cluster/json.ts';
import { moveAnnotation } from '../../cluster/placement.ts';
import { podKey } from '../../cluster/pod.ts';
import { MaintenanceError, unreachable } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Connections } from '../../ports/connections.ts';
import type { CancelAnswer, MoveContext, MoveOrder, MoveProgress } from '../../ports/movers.ts';
import type { ApiObjects } from '../../ports/objects.ts';
import type { InventoryServer } from '../../spec/inventory.ts';
import type { CutResult, Moved, Unclear } from './cut.ts';
import { nodeOf, serverOf } from './ends.ts';
import type { Passage } from './passage.ts';
import { cameBack, comeBack } from './way-back.ts';

interface Needs {
  readonly objects: ApiObjects;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly servers: () => Promise<readonly InventoryServer[]>;
}

export class Aftermath {
  readonly #needs: Needs;

  constructor(needs: Needs) {
    this.#needs = needs;
  }

  /** After a look at the freeze. */
  async settle(order: MoveOrder, passage: Passage, result: CutResult, context: MoveContext): Promise<MoveProgress> {
    switch (result.kind) {
      case 'running':
        return { kind: 'cutover', note: 'frozen, or changing hands', isCommitted: true };
      case 'moved':
        if (result.targetPulse !== 'same') return this.#withoutTarget(order, passage, result, context);
        return this.#finish(order, passage, result, context.signal);
      case 'rolledBack':
        return this.giveUp(passage, result.because, context.signal);
      case 'sourceLost':
        return this.withoutSource(order, passage, context.signal);
      case 'unclear':
        return this.#untangle(order, passage, result, context);
      default:
        return unreachable(result);
    }
  }

  /**
   * Past the commit point, and the target has fallen silent. Its own word is best; the proof that nothing of the move runs
   * there is as good. Without either it is waited for, and then a person is asked.
   */
  async #untangle(order: MoveOrder, passage: Passage, result: Unclear, context: MoveContext): Promise<MoveProgress> {
    const { signal, view } = context;
    const bmc = this.#needs.connections.bmcOf(serverOf(await this.#needs.servers(), order.target));
    const proof = await passage.cut.whyTargetIsDown(result, nodeOf(view, order.target), bmc, signal);
    if (proof !== undefined && (await passage.cut.reclaim(signal)) === 'aborted') {
      const because = `${order.target} fell silent in the middle, and ${proof}; what it may have answered meanwhile is lost`;
      return this.giveUp(passage, because, signal);
    }
    const again = await passage.cut.again(signal);
    if (again.kind !== 'unclear') return this.settle(order, passage, again, context);
    const text = `${podKey(order.pod)} stands still on ${order.source}, and it is not known whether ${order.target} has begun: ${result.because}`;
    if (this.#needs.clock.nowMs() - order.startedMs < 2 * order.timeoutMs) {
      return { kind: 'cutover', note: text, isCommitted: true };
    }
    throw new MaintenanceError('mover/unclear', 'halt', text, { details: { move: order.id } });
  }

  /** Where the target has not got it either, the pod starts anew, without its memory. */
  async withoutSource(order: MoveOrder, passage: Passage, signal: AbortSignal): Promise<MoveProgress> {
    if ((await this.arrived(order, signal)) === 'ready') return this.#finish(order, passage, undefined, signal);
    const isLate = this.#needs.clock.nowMs() - order.startedMs >= 2 * order.timeoutMs;
    if ((await passage.callOffTarget(signal)) === 'committed' && !isLate) {
      return {
        kind: 'cutover',
        note: `nothing is left on ${order.source}, ${order.target} has it all`,
        isCommitted: true,
      };
    }
    const uid = await cameBack(passage, this.#needs, signal);
    await passage.clean(signal);
    if (uid !== undefined) return { kind: 'rolledBack', because: 'it had been taken back already', uid };
    return {
      kind: 'failed',
      because: `nothing of it is left on ${order.source}, and ${order.target} has not got it: it starts anew`,
    };
  }

  /** Done is what the API shows: another uid, on the target, Ready. Then nothing of the move is needed any more. */
  async #finish(
    order: MoveOrder,
    passage: Passage,
    moved: Moved | undefined,
    signal: AbortSignal,
  ): Promise<MoveProgress> {
    if ((await this.arrived(order, signal)) !== 'ready') {
      return { kind: 'cutover', note: 'restored, not Ready yet', isCommitted: true };
    }
    const pod = await passage.newcomer(signal);
    const uid = textAt(recordAt(pod, 'metadata'), 'uid');
    if ((await passage.clean(signal)) === 'kept') {
      return { kind: 'cutover', note: 'its server still holds it', isCommitted: true };
    }
    const where = { uid, node: order.target, freezeMs: moved?.freezeMs, parts: moved?.parts };
    if (!moved && hasRestarted(pod)) {
      const because = `nothing of it was left on ${order.source}, and it has been restarted on ${order.target}`;
      return { kind: 'done', evidence: { kept: 'nothing: restart', ...where }, because };
    }
    if (!moved?.isIncomplete) return { kind: 'done', evidence: { kept: order.promise, ...where } };
    const because =
      'the servers lost each other while memory was still coming: it went on from the freeze, connections were closed';
    return { kind: 'done', evidence: { kept: 'memory', ...where }, because };
  }

  /** It had taken over, and the API may call the pod Ready for a while yet. Its memory is gone as with any server that dies. */
  async #withoutTarget(
    order: MoveOrder,
    passage: Passage,
    moved: Moved,
    { signal, view }: MoveContext,
  ): Promise<MoveProgress> {
    const bmc = this.#needs.connections.bmcOf(serverOf(await this.#needs.servers(), order.target));
    const isLate = this.#needs.clock.nowMs() - order.startedMs >= 2 * order.timeoutMs;
    const proof = await passage.cut.whyTargetIsDown(moved, nodeOf(view, order.target), bmc, signal);
    if (proof === undefined && !isLate) {
      return { kind: 'cutover', note: `${order.target} took over and does not answer`, isCommitted: true };
    }
    await passage.clean(signal);
    const end =
      proof === undefined
        ? 'has not answered since: how the pod is there is not known'
        : `${proof}: the pod starts anew`;
    return { kind: 'failed', because: `${order.target} had taken over, and ${end}` };
  }

  /** What the API shows of the new pod. */
  async arrived(order: MoveOrder, signal: AbortSignal): Promise<'ready' | 'no'> {
    const pods = await this.#needs.objects.list(
      { group: '', version: 'v1', resource: 'pods' },
      { namespace: order.pod.namespace },
      signal,
    );
    const isReady = pods.some(
      (pod) =>
        recordAt(recordAt(pod, 'metadata'), 'annotations')[moveAnnotation] === order.id &&
        textAt(recordAt(pod, 'spec'), 'nodeName') === order.target &&
        listAt(recordAt(pod, 'status'), 'conditions').some(
          (condition) => textAt(condition, 'type') === 'Ready' && textAt(condition, 'status') === 'True',
        ),
    );
    return isReady ? 'ready' : 'no';
  }

  /** Before the commit point, or where it was taken back: the source runs on. */
  async giveUp(passage: Passage, because: string, signal: AbortSignal): Promise<MoveProgress> {
    const taken = await this.takeBack(passage, signal);
    if (taken.kind === 'committed') return { kind: 'cutover', note: because, isCommitted: true };
    const { uid, price } = taken;
    return { kind: 'rolledBack', because: price === undefined ? because : `${because}; ${price}`, uid };
  }

  /** All that goes back goes this way, whoever asks for it. */
  async takeBack(passage: Passage, signal: AbortSignal): Promise<Exclude<CancelAnswer, { kind: 'cancelling' }>> {
    if ((await passage.callOff(signal)) === 'committed') return { kind: 'committed' };
    const isHandedOver = await passage.isHandedOver(signal);
    const uid = isHandedOver ? await comeBack(passage, this.#needs, signal) : undefined;
    await passage.clean(signal);
    if (!isHandedOver || passage.trip.keepsAddress) return { kind: 'cancelled', uid };
    const price = 'back on its own server it has its memory, another address, and no connection of before';
    return { kind: 'cancelled', uid, price };
  }
}

function hasRestarted(pod: unknown): boolean {
  return listAt(recordAt(pod, 'status'), 'containerStatuses').some((status) => numberAt(status, 'restartCount') > 0);
}
