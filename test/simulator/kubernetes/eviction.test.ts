import { describe, expect, test } from 'vitest';
import { kinds } from '../../../src/simulator/kubernetes/kinds.ts';
import type { BudgetObject, PodObject } from '../../../src/simulator/kubernetes/objects.ts';
import { Refusal } from '../../../src/simulator/kubernetes/refusal.ts';
import type { WorldBudget } from '../../../src/simulator/workloads.ts';
import { servers, testWorld, type TestWorld } from './worlds.ts';

function worldWith(budget: WorldBudget | undefined, more: object = {}): TestWorld {
  const web = { kind: 'deployment', name: 'web', namespace: 'shop', replicas: 3, budget, ...more } as const;
  return testWorld({ servers: servers(4), workloads: [web] });
}

function podsOf(world: TestWorld): [PodObject, PodObject, PodObject] {
  const [first, second, third] = world.pods('shop', 'web');
  if (!first || !second || !third) throw new Error('three pods were expected');
  return [first, second, third];
}

function evict(
  world: TestWorld,
  { metadata }: PodObject,
  more: object = {},
  query = '',
): { status: number; body: unknown } {
  const body = { metadata: { name: metadata.name }, ...more };
  return world.ask('POST', `/api/v1/namespaces/shop/pods/${metadata.name}/eviction${query}`, body);
}

function budgetOf(world: TestWorld): BudgetObject['status'] {
  const found = world.api.store.get(kinds.budgets, 'shop', 'web');
  if (!found) throw new Error('a budget was expected');
  return found.status;
}

const causeOf = (answer: { body: unknown }): unknown =>
  (answer.body as { details?: { causes?: { message: string }[] } }).details?.causes?.[0]?.message;

describe('evictions and budgets', () => {
  test.each([
    [{ minAvailable: 2 }, 2, 1],
    [{ minAvailable: '50%' }, 2, 1],
    [{ minAvailable: '100%' }, 3, 0],
    [{ maxUnavailable: 1 }, 2, 1],
    [{ maxUnavailable: '34%' }, 1, 2],
    [{ maxUnavailable: 0 }, 3, 0],
    [{ minAvailable: 9 }, 9, 0],
  ])('%j over three pods wants %d healthy and allows %d', (budget, desiredHealthy, disruptionsAllowed) => {
    const world = worldWith(budget);
    expect(budgetOf(world)).toMatchObject({ desiredHealthy, disruptionsAllowed, currentHealthy: 3, expectedPods: 3 });
  });

  test('a budget lets as many go as it allows, and the next only when a replacement is ready', async () => {
    const world = worldWith({ minAvailable: 2 });
    const [first, second] = podsOf(world);
    expect(evict(world, first).status).toBe(201);
    expect(evict(world, second)).toMatchObject({ status: 429 });
    await world.pass(500);
    expect(causeOf(evict(world, second))).toBe('The disruption budget web needs 2 healthy pods and has 2 currently');
    await world.pass(10_000);
    expect(world.isAtRest()).toBe(true);
    expect(evict(world, second).status).toBe(201);
  });

  test('a dry run charges nothing and moves nothing', () => {
    const world = worldWith({ minAvailable: 2 });
    const [first] = podsOf(world);
    const before = world.api.store.revision;
    expect(evict(world, first, {}, '?dryRun=All').status).toBe(201);
    expect(evict(world, first, { deleteOptions: { dryRun: ['All'] } }).status).toBe(201);
    expect(world.api.store.revision).toBe(before);
    expect(world.evictionsByUid.size).toBe(0);
  });

  test('a wrong uid is refused after the budget was charged, and the charge is forgotten after two minutes', async () => {
    const world = worldWith({ minAvailable: 2 });
    const [first] = podsOf(world);
    const wrong = { deleteOptions: { preconditions: { uid: '00000000-0000-0000-0000-000000000000' } } };
    expect(evict(world, first, wrong).status).toBe(409);
    expect(budgetOf(world)).toMatchObject({ disruptionsAllowed: 0, currentHealthy: 3 });
    const right = { deleteOptions: { preconditions: { uid: first.metadata.uid } } };
    expect(evict(world, first, right).status).toBe(429);
    await world.pass(60_000);
    expect(evict(world, first, right).status).toBe(429);
    await world.pass(65_000);
    expect(evict(world, first, right).status).toBe(201);
  });

  test('a pod that is leaving is accepted again, charges nothing and is counted once', () => {
    const world = worldWith({ minAvailable: 1 });
    const [first] = podsOf(world);
    expect(evict(world, first).status).toBe(201);
    const { disruptionsAllowed } = budgetOf(world);
    expect(evict(world, first).status).toBe(201);
    expect(budgetOf(world).disruptionsAllowed).toBe(disruptionsAllowed);
    expect([...world.evictionsByUid]).toEqual([[first.metadata.uid, 1]]);
  });

  test('two budgets over one pod are an error of the server', () => {
    const world = worldWith({ minAvailable: 1 });
    const spec = { minAvailable: 0, selector: { matchLabels: { app: 'web' } } };
    world.ask('POST', '/apis/policy/v1/namespaces/shop/poddisruptionbudgets', { metadata: { name: 'second' }, spec });
    expect(evict(world, podsOf(world)[0])).toMatchObject({ status: 500 });
  });

  test('a budget that its controller has not seen yet asks to come back later', () => {
    const world = worldWith(undefined);
    const spec = { minAvailable: 1, selector: { matchLabels: { app: 'web' } } };
    world.ask('POST', '/apis/policy/v1/namespaces/shop/poddisruptionbudgets', { metadata: { name: 'web' }, spec });
    const answer = world.api.handle({
      user: 'system:admin',
      method: 'POST',
      path: `/api/v1/namespaces/shop/pods/${podsOf(world)[0].metadata.name}/eviction`,
      body: {},
    });
    expect(answer).toMatchObject({ kind: 'answer', status: 429, headers: { 'retry-after': '10' } });
  });

  test.each([
    ['IfHealthyBudget', 429],
    ['AlwaysAllow', 201],
  ] as const)('under %s an unready pod of an unhealthy budget gets %d', async (unhealthyPodEvictionPolicy, status) => {
    const world = worldWith({ minAvailable: 3, unhealthyPodEvictionPolicy });
    const [first] = podsOf(world);
    world.machines.get(first.spec.nodeName ?? '')?.setPower('off');
    await world.pass(500);
    expect(evict(world, first).status).toBe(status);
  });

  test('an unready pod of a healthy budget may always go', async () => {
    const world = worldWith({ minAvailable: 2 });
    const [first] = podsOf(world);
    world.machines.get(first.spec.nodeName ?? '')?.setPower('off');
    await world.pass(500);
    expect(budgetOf(world)).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 0 });
    expect(evict(world, first).status).toBe(201);
  });

  test('an eviction webhook answers in place of the budget, and what it refuses charges nothing', () => {
    const world = worldWith({ minAvailable: 2 });
    world.api.evictions.webhooks.push(() => new Refusal(429, 'TooManyRequests', 'Evacuation in progress'));
    const before = world.api.store.revision;
    expect(evict(world, podsOf(world)[0])).toMatchObject({ status: 429, body: { message: 'Evacuation in progress' } });
    expect(world.api.store.revision).toBe(before);
  });
});
