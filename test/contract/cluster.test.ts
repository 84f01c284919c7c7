import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectKubernetes } from '../../src/adapters/kubernetes/connect.ts';
import { SystemClock } from '../../src/adapters/system/system-clock.ts';
import { startLabKubernetes } from '../../src/lab/kubernetes/lab-kubernetes.ts';
import { SimulatedObjects } from '../../src/simulator/objects.ts';
import { SimulatedCluster } from '../../src/simulator/cluster.ts';
import { KubernetesApi } from '../../src/simulator/kubernetes/api.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { clusterContract } from './cluster.contract.ts';
import { clusterObjectsContract, watchContract } from './cluster-objects.contract.ts';
import { objectsContract, type ObjectsWorld } from './objects.contract.ts';

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The real adapter, over HTTPS, to the same API that the simulator asks directly. */
async function overTheWire(): Promise<ObjectsWorld> {
  const clock = new SystemClock();
  const api = new KubernetesApi(clock, new SeededRandom(7));
  const folder = await mkdtemp(join(tmpdir(), 'pitcrew-contract-'));
  const lab = await startLabKubernetes(api, { port: 0, folder, bookmarkMs: 500 });
  const cluster = await connectKubernetes({
    kubeconfig: lab.kubeconfigFile,
    clock,
    random: new SeededRandom(1),
    logger: silent,
    times: { backoffMinMs: 5, backoffMaxMs: 100, coalesceMs: 5 },
  });
  return {
    cluster,
    objects: cluster.objects,
    api,
    lab,
    drive: (promise) => promise,
    sleep: (durationMs) => clock.sleep(durationMs),
    async stop() {
      await cluster.stop();
      await lab.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function inMemory(): Promise<ObjectsWorld> {
  const clock = new VirtualClock(Date.UTC(2026, 10, 22, 9));
  const api = new KubernetesApi(clock, new SeededRandom(7));
  return Promise.resolve({
    cluster: new SimulatedCluster(api),
    objects: new SimulatedObjects(api),
    api,
    async drive<T>(promise: Promise<T>): Promise<T> {
      let isSettled = false;
      const settle = (): void => void (isSettled = true);
      promise.then(settle, settle);
      await clock.run(() => isSettled);
      return await promise;
    },
    sleep: (durationMs) => clock.sleep(durationMs),
    stop: () => Promise.resolve(),
  });
}

for (const contract of [clusterContract, clusterObjectsContract, objectsContract]) {
  contract('simulated', inMemory);
  contract('Kubernetes over HTTPS', overTheWire);
}
watchContract('Kubernetes over HTTPS', overTheWire);
