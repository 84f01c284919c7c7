import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isWorthKeeping, objectKinds, scrub } from '../../src/cluster/scrub.ts';

const secret = 'PLANTED-s3cr3t';

/** A pod as it really looks, with something in every place where people and programs leave secrets. */
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web-1',
    namespace: 'shop',
    uid: 'u-1',
    labels: { app: 'web' },
    annotations: {
      'kubectl.kubernetes.io/last-applied-configuration': secret,
      'vault.hashicorp.com/agent-inject': secret,
      'karpenter.sh/do-not-disrupt': 'true',
    },
    managedFields: [{ manager: secret }],
    finalizers: [secret],
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'u-2', controller: true }],
  },
  spec: {
    nodeName: 'node-a',
    hostname: secret,
    serviceAccountName: secret,
    imagePullSecrets: [{ name: secret }],
    hostAliases: [{ ip: '10.0.0.1', hostnames: [secret] }],
    securityContext: { seLinuxOptions: { user: secret } },
    containers: [
      {
        name: 'main',
        image: `registry.local/${secret}`,
        command: [secret],
        args: [`--password=${secret}`],
        env: [
          { name: 'PASSWORD', value: secret },
          { name: 'KEY', valueFrom: { secretKeyRef: { name: secret, key: secret } } },
        ],
        envFrom: [{ secretRef: { name: secret } }],
        livenessProbe: { httpGet: { httpHeaders: [{ name: 'Authorization', value: secret }] } },
        lifecycle: { preStop: { exec: { command: [secret] } } },
        volumeMounts: [{ name: 'data', mountPath: secret }],
        resources: { requests: { cpu: '100m', memory: '128Mi' } },
        ports: [{ containerPort: 80, hostPort: 8080, name: secret }],
      },
    ],
    ephemeralContainers: [{ name: secret, args: [secret] }],
    volumes: [
      { name: 'key', secret: { secretName: secret } },
      { name: 'settings', configMap: { name: secret } },
      { name: 'disk', hostPath: { path: `/${secret}` } },
      { name: 'remote', csi: { driver: 'x', volumeAttributes: { token: secret } } },
      { name: 'data', persistentVolumeClaim: { claimName: 'data-web-1' } },
    ],
  },
  status: {
    phase: 'Running',
    message: secret,
    podIP: '10.244.0.7',
    conditions: [{ type: 'Ready', status: 'True', message: secret }],
    containerStatuses: [
      { name: 'main', ready: true, restartCount: 0, image: secret, lastState: { terminated: { message: secret } } },
    ],
  },
};

describe('what leaves a cluster', () => {
  it('holds no secret, wherever one was planted', () => {
    const template = { metadata: pod.metadata, spec: pod.spec };
    const workload = { metadata: pod.metadata, spec: { replicas: 2, selector: {}, template }, status: pod.status };
    const texts = objectKinds.map((kind) => JSON.stringify(scrub(kind, kind === 'pods' ? pod : workload)));
    expect(texts.join('\n')).toContain('node-a');
    expect(texts.join('\n')).not.toContain(secret);
  });

  it('holds what decides where a pod may go, and how', () => {
    expect(scrub('pods', pod)).toMatchObject({
      metadata: {
        name: 'web-1',
        labels: { app: 'web' },
        annotations: { 'karpenter.sh/do-not-disrupt': 'true' },
        ownerReferences: [{ kind: 'ReplicaSet', uid: 'u-2', controller: true }],
      },
      spec: {
        nodeName: 'node-a',
        containers: [{ resources: { requests: { cpu: '100m' } }, ports: [{ hostPort: 8080 }] }],
        volumes: [
          { name: 'key', secret: {} },
          { name: 'settings', configMap: {} },
          { name: 'disk', hostPath: {} },
          { name: 'remote', csi: {} },
          { name: 'data', persistentVolumeClaim: { claimName: 'data-web-1' } },
        ],
      },
    });
  });

  it('never holds a field that nobody named, of any kind, at any depth', () => {
    const unknown = fc.string({ minLength: 1 }).map((name) => `x-${name}`);
    const tree = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, fc.constant(secret), fc.array(tie('value')), tie('record')),
      record: fc.dictionary(unknown, tie('value')),
    })).record;
    fc.assert(
      fc.property(fc.constantFrom(...objectKinds), tree, tree, (kind, outer, inner) => {
        const object = {
          ...(outer as object),
          metadata: inner,
          spec: { ...(inner as object), template: inner },
          status: inner,
        };
        expect(JSON.stringify(scrub(kind, object))).not.toContain(secret);
      }),
    );
  });

  it('drops a value of another type than the field has, rather than what may be in it', () => {
    expect(scrub('pods', { metadata: { name: { first: secret } }, spec: { nodeName: [secret] } })).toEqual({
      metadata: {},
      spec: {},
    });
  });

  it('leaves out ReplicaSets of templates that are past', () => {
    const set = (replicas: number, present: number): Record<string, unknown> => ({
      spec: { replicas },
      status: { replicas: present },
    });
    expect(isWorthKeeping('replicaSets', set(0, 0))).toBe(false);
    expect(isWorthKeeping('replicaSets', set(0, 1))).toBe(true);
    expect(isWorthKeeping('replicaSets', set(3, 3))).toBe(true);
    expect(isWorthKeeping('deployments', set(0, 0))).toBe(true);
  });
});
