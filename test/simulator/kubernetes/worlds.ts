/** Small worlds for the tests of the simulated cluster, in virtual time. */
import { VirtualClock } from '../../../src/simulator/virtual-clock.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';
import { createWorld, type World, type WorldOptions } from '../../../src/simulator/world.ts';
import { adminUser } from '../../../src/simulator/kubernetes/access.ts';
import { kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import type { PodObject } from '../../../src/simulator/kubernetes/objects.ts';

export const startMs = Date.UTC(2026, 10, 22, 9);

export interface TestWorld extends World {
  readonly clock: VirtualClock;
  readonly pass: (durationMs: number) => Promise<void>;
  readonly pods: (namespace: string, app: string) => PodObject[];
  readonly ask: (
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ) => { status: number; body: unknown };
}

export function testWorld(options: Omit<WorldOptions, 'clock' | 'random'> & { seed?: number }): TestWorld {
  const clock = new VirtualClock(startMs);
  const world = createWorld({ ...options, clock, random: new SeededRandom(options.seed ?? 1) });
  return {
    ...world,
    clock,
    pass: async (durationMs) => {
      // A sleeper of our own, so that the clock gets there even where nobody else wakes up.
      let isOver = false;
      void clock.sleep(durationMs).then(() => {
        isOver = true;
      });
      await clock.run(() => isOver);
    },
    pods: (namespace, app) =>
      world.api.store.inNamespace(kinds.pods, namespace).filter((pod) => pod.metadata.labels?.['app'] === app),
    ask: (method, path, body, contentType) => {
      const [plain = '', query = ''] = path.split('?');
      const answer = world.api.handle({
        user: adminUser,
        method,
        path: plain,
        query: new URLSearchParams(query),
        ...(contentType !== undefined && { contentType }),
        ...(body !== undefined && { body }),
      });
      if (answer.kind === 'watch') throw new Error('a watch where an answer was expected');
      return { status: answer.status, body: answer.body };
    },
  };
}

export function servers(count: number, more: object = {}): { name: string; zone: string }[] {
  return Array.from({ length: count }, (_, at) => ({ name: `n${at + 1}`, zone: `z${(at % 3) + 1}`, ...more }));
}
