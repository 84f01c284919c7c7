/** The policy of one move, at work in the simulated API: whom it sends where, and whom it leaves alone. */
import { describe, expect, it } from 'vitest';
import { recordAt } from '../../src/cluster/json.ts';
import {
  askingFor,
  bindingOf,
  isSteered,
  keepsAddress,
  manifestOf,
  policyOf,
  probeOf,
  type Steering,
} from '../../src/movers/criu/steering.ts';

const wish: Steering = {
  id: 'pitcrew-db-0-0123456789ab',
  namespace: 'default',
  meant: { kind: 'name', name: 'db-0' },
  node: 'node-b',
  isBound: false,
  asked: { 'lab.pitcrew.dev/ip': '10.88.1.2' },
};

const running = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'db-0',
    namespace: 'default',
    uid: 'u-1',
    resourceVersion: '7',
    creationTimestamp: '2026-11-22T13:00:00Z',
    labels: { app: 'db' },
    annotations: { 'pitcrew.dev/move': 'earlier', note: 'kept' },
  },
  spec: {
    nodeName: 'node-a',
    nodeSelector: { 'kubernetes.io/hostname': 'node-a' },
    containers: [
      {
        name: 'redis',
        image: 'redis:8',
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'kube-api-access-x7k2p', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
        ],
      },
    ],
    volumes: [
      { name: 'data', emptyDir: {} },
      { name: 'kube-api-access-x7k2p', projected: {} },
    ],
  },
  status: { phase: 'Running', podIP: '10.88.1.2' },
};

function textOf(object: unknown): string {
  return JSON.stringify(object);
}

describe('the policy', () => {
  it('is of one move alone, and its binding names it', () => {
    expect(recordAt(policyOf(wish), 'metadata')).toMatchObject({ name: wish.id });
    expect(recordAt(bindingOf(wish), 'spec')).toEqual({ policyName: wish.id });
  });

  it('fails closed: a pod that is not steered would start empty somewhere', () => {
    expect(recordAt(policyOf(wish), 'spec')).toMatchObject({ failurePolicy: 'Fail' });
  });

  it('quotes what it is given, so that a name cannot say more than a name', () => {
    const meant = { kind: 'name', name: 'a" || true || "' } as const;
    expect(textOf(policyOf({ ...wish, meant }))).toContain(String.raw`a\\\" || true || \\\"`);
  });

  it('goes past the scheduler only on the way back', () => {
    expect(textOf(policyOf(wish))).not.toContain('/spec/nodeName');
    expect(textOf(policyOf({ ...wish, isBound: true }))).toContain('/spec/nodeName');
  });

  it('asks for the address where the network gives it out twice, and for nothing where it does not', () => {
    expect(textOf(policyOf(wish))).toContain(String.raw`\"lab.pitcrew.dev/ip\": \"10.88.1.2\"`);
    expect(askingFor('lab-ipam', '10.88.1.2')).toEqual(wish.asked);
    for (const network of ['calico', 'kube-ovn', 'host-local', '']) expect(askingFor(network, '10.88.1.2')).toEqual({});
  });

  it('promises no address where the network gives none out twice', () => {
    expect(['lab-ipam', 'calico', 'kube-ovn', 'host-local', ''].filter(keepsAddress)).toEqual(['lab-ipam']);
  });
});

describe('a pod that nobody makes anew', () => {
  it('is made from what its author wrote, without what the API, its kubelet and an earlier move added', () => {
    expect(manifestOf(running)).toEqual({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'db-0', namespace: 'default', labels: { app: 'db' }, annotations: { note: 'kept' } },
      spec: {
        containers: [{ name: 'redis', image: 'redis:8', volumeMounts: [{ name: 'data', mountPath: '/data' }] }],
        volumes: [{ name: 'data', emptyDir: {} }],
      },
    });
  });

  it('is never mistaken for one of an earlier move', () => {
    expect(isSteered(running, 'earlier')).toBe(true);
    expect(isSteered(probeOf(running, wish.id), 'earlier')).toBe(false);
  });
});
