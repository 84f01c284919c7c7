/** What the engine relies on of every mover, and what it relies on of those that move pods alive. */
import { describe, expect, it } from 'vitest';
import type { MoverKind } from './movers-bench.ts';
import { isOver, MoverBench, never } from './movers-bench.ts';

const never1 = (): boolean => false;

export function moverContract(kind: MoverKind): void {
  describe(`the ${kind.name} mover`, () => {
    const bench = async (): Promise<MoverBench> => {
      const made = new MoverBench(kind);
      await made.rest();
      return made;
    };

    it('is ready where what it needs is there, and says of a pod what it keeps', async () => {
      const { must, ...rest } = await bench().then((made) => ({ made, must: made.must }));
      const mover = must.mover();
      expect(await mover.detect(never)).toMatchObject({ kind: 'ready' });
      const pod = await rest.made.pod();
      const assessment = await rest.made.assess(mover, pod, kind.isLive ? 'b' : undefined);
      expect(assessment).toMatchObject({ kind: 'able', promise: kind.promise });
      if (assessment.kind === 'able') expect(assessment.timeoutMs).toBeGreaterThan(assessment.predictedMs);
    });

    it('moves the pod off its server and proves it, whoever asks in between', async () => {
      const made = await bench();
      const order = await made.order();
      const end = await made.advanceUntil(order, never1);
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: kind.promise } });
      const view = await made.cluster.view(never);
      const source = view.pods.find((pod) => pod.uid === order.pod.uid);
      expect(source?.phase ?? 'gone').toMatch(/^(gone|Succeeded)$/);
      expect(made.copies).toBeLessThanOrEqual(1);
    });

    it('takes a pod that has gone by itself for gone, and starts nothing', async () => {
      const made = await bench();
      const order = await made.order();
      made.world.api.registry.delete(podKind(made), podObject(made), { gracePeriodSeconds: 0 });
      expect(await made.advance(order)).toMatchObject({ kind: 'done', evidence: { kept: 'nothing: restart' } });
      expect(made.must.unfinished?.() ?? 0).toBe(0);
    });

    it('is called back without a trace before it has begun', async () => {
      const made = await bench();
      const order = await made.order();
      expect(await made.must.mover().cancel(order, never)).toEqual({ kind: 'cancelled' });
      expect(await made.pod()).toMatchObject({ uid: order.pod.uid, ready: true, leaving: false });
    });

    it('answers again as before once it is over', async () => {
      const made = await bench();
      const order = await made.order();
      const end = await made.advanceUntil(order, never1);
      const again = await made.advance({ ...order, hasBegun: true });
      expect(again.kind).toBe(end.kind);
      expect(await made.must.mover().cancel(order, never)).toEqual({ kind: 'committed' });
    });
  });
  if (kind.isLive) liveContract(kind);
}

function podObject(made: MoverBench) {
  const { namespace, name } = made.must.pod();
  const found = made.world.api.store.get(podKind(made), namespace, name);
  if (!found) throw new Error('the pod is not there');
  return found;
}

function podKind(made: MoverBench) {
  const kind = made.world.api.kinds.find('v1', 'pods');
  if (!kind) throw new Error('no pods are served');
  return kind;
}

function liveContract(kind: MoverKind): void {
  describe(`the ${kind.name} mover, alive`, () => {
    const bench = async (fault: MoverBench['fault'] = 'none'): Promise<MoverBench> => {
      const made = new MoverBench(kind);
      made.fault = fault;
      await made.rest();
      return made;
    };
    const expectUntouched = async (made: MoverBench, uid: string): Promise<void> => {
      expect(await made.pod()).toMatchObject({ uid, node: 'a', ready: true, leaving: false });
      expect(made.must.memories?.runningCopies(uid) ?? [0]).toHaveLength(1);
    };
    const can = (fault: MoverBench['fault']): boolean => kind.faults.includes(fault);

    it.skipIf(!kind.bare)('is missing where nobody serves its kind', async () => {
      const made = new MoverBench(kind, false);
      expect(await kind.bare?.(made.tools).detect(never)).toMatchObject({ kind: 'missing' });
    });

    it('ends with a new uid on the chosen node, Ready, with the same memory', async () => {
      const made = await bench();
      const order = await made.order();
      const end = await made.advanceUntil(order, never1);
      if (end.kind !== 'done') throw new Error(`it ended ${JSON.stringify(end)}`);
      expect(end.evidence.node).toBe('b');
      expect(end.evidence.uid).not.toBe(order.pod.uid);
      const pod = (await made.cluster.view(never)).pods.find(({ uid }) => uid === end.evidence.uid);
      expect(pod).toMatchObject({ node: 'b', ready: true });
      expect(made.must.memories?.originOf(end.evidence.uid ?? '')).toBe(order.pod.uid);
      expect(made.copies).toBe(1);
    });

    it('passes through copying and a commit, and never says done before the proof', async () => {
      const made = await bench();
      const order = await made.order();
      const seen: string[] = [];
      await made.advanceUntil(order, (progress) => {
        seen.push(progress.kind === 'cutover' && progress.isCommitted ? 'committed' : progress.kind);
        return false;
      });
      expect(seen).toContain('queued');
      expect(seen).toContain('copying');
      expect(seen.at(-1)).toBe('done');
    });

    it.runIf(can('staysPending'))('that never gets its turn waits, and is called back without a trace', async () => {
      const made = await bench('staysPending');
      const order = await made.order();
      const stuck = await made.advanceUntil(order, never1, 60_000);
      expect(stuck.kind).toBe('queued');
      await cancelAll(made, order);
      await expectUntouched(made, order.pod.uid);
      expect(made.must.unfinished?.()).toBe(0);
    });

    it.runIf(can('refuses'))('that is refused leaves the source alone and says why', async () => {
      const made = await bench('refuses');
      const order = await made.order();
      const end = await made.advanceUntil(order, never1);
      expect(end.kind).toMatch(/^(rolledBack|failed)$/);
      expect('because' in end && end.because).toMatch(/\w{6,}/);
      await expectUntouched(made, order.pod.uid);
    });

    it.runIf(can('targetUnschedulable'))('whose new pod finds no place leaves the source alone', async () => {
      const made = await bench('targetUnschedulable');
      const order = await made.order();
      const end = await made.advanceUntil(order, never1, 120_000);
      expect(end.kind).toMatch(/^(queued|rolledBack)$/);
      await cancelAll(made, order);
      await expectUntouched(made, order.pod.uid);
    });

    it.runIf(can('copyFails'))('that fails while it copies is rolled back, and the source runs on', async () => {
      const made = await bench('copyFails');
      const order = await made.order();
      expect(await made.advanceUntil(order, never1)).toMatchObject({ kind: 'rolledBack' });
      await expectUntouched(made, order.pod.uid);
    });

    it.runIf(can('copyStalls') && kind.cancelsCopying)('that never ends its copying can be called back', async () => {
      const made = await bench('copyStalls');
      const order = await made.order();
      expect((await made.advanceUntil(order, ({ kind: at }) => at === 'copying')).kind).toBe('copying');
      await cancelAll(made, order);
      await expectUntouched(made, order.pod.uid);
      expect(made.must.unfinished?.()).toBe(0);
    });

    it.runIf(can('coldStart'))('that lost the memory on the way says so although all else is well', async () => {
      const made = await bench('coldStart');
      const end = await made.advanceUntil(await made.order(), never1);
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'nothing: restart', node: 'b' } });
      expect(end.kind === 'done' && end.because).toMatch(/anew/);
    });

    it.runIf(can('failsAfterCommit'))('that fails behind the commit never calls the pod moved alive', async () => {
      const made = await bench('failsAfterCommit');
      const end = await made.advanceUntil(await made.order(), never1);
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: 'nothing: restart' } });
      expect(end.kind === 'done' && end.because).toMatch(/\w{6,}/);
      expect(made.copies).toBe(1);
    });

    it('behind its commit point is not called back, and ends well', async () => {
      const made = await bench();
      const order = await made.order();
      const at = await made.advanceUntil(order, (progress) => progress.kind === 'cutover' && progress.isCommitted);
      const answer = await made.must.mover().cancel(order, never);
      if (!isOver(at)) expect(answer).toEqual({ kind: 'committed' });
      const end = await made.advanceUntil({ ...order, hasBegun: true }, never1);
      expect(end).toMatchObject({ kind: 'done', evidence: { kept: kind.promise } });
    });

    it.runIf(kind.cancelsCopying)(
      'called back at any moment ends either untouched or moved, never in between',
      async () => {
        for (let afterMs = 0; afterMs <= 9_000; afterMs += 450) {
          const made = await bench();
          const order = await made.order();
          await made.advance(order);
          await made.pass(afterMs);
          const answer = await cancelAll(made, order);
          if (answer === 'cancelled') await expectUntouched(made, order.pod.uid);
          else {
            const end = await made.advanceUntil({ ...order, hasBegun: true }, never1);
            expect(end).toMatchObject({ kind: 'done', evidence: { kept: kind.promise } });
          }
          expect(made.copies).toBe(1);
        }
      },
    );

    it('without the right to look is as good as not installed, and says what grants it', async () => {
      const made = await bench();
      made.forbid('list');
      const detection = await made.must.mover().detect(never);
      expect(detection.kind === 'missing' && detection.because).toMatch(/rights are missing: deploy.kubernetes/);
    });

    it('without the right to begin one says which right is missing', async () => {
      const made = await bench();
      const order = await made.order();
      made.forbid('create');
      await expect(made.advance(order)).rejects.toMatchObject({ code: 'cluster/forbidden', disposition: 'halt' });
      await expectUntouched(made, order.pod.uid);
    });

    it('whose source is killed while it copies does not wait for ever', async () => {
      const made = await bench('none');
      const order = await made.order();
      await made.advanceUntil(order, ({ kind: at }) => at === 'copying');
      const { namespace, name } = made.must.pod();
      const found = made.world.api.store.get(podKind(made), namespace, name);
      if (found) made.world.api.registry.delete(podKind(made), found, { gracePeriodSeconds: 0 });
      const end = await made.advanceUntil({ ...order, hasBegun: true }, never1);
      expect(isOver(end)).toBe(true);
      expect(made.copies).toBeLessThanOrEqual(1);
    });
  });
}

/** As the engine does it: asked again until it is settled. */
async function cancelAll(made: MoverBench, order: Awaited<ReturnType<MoverBench['order']>>): Promise<string> {
  for (let tries = 0; tries < 200; tries += 1) {
    const { kind } = await made.must.mover().cancel(order, never);
    if (kind !== 'cancelling') return kind;
    await made.pass(250);
  }
  return 'cancelling';
}
