/** All controllers of one simulated cluster on one clock. It only brings them together and tells them of changes. */
import type { KubernetesApi } from './api.ts';
import { Cleanup } from './controllers/cleanup.ts';
import { defaultTimes, type Context, type Controller, type ControllerTimes } from './controllers/context.ts';
import { DaemonSetController } from './controllers/daemon-set.ts';
import { DeploymentController } from './controllers/deployment.ts';
import { DisruptionController } from './controllers/disruption.ts';
import { Kubelets } from './controllers/kubelet.ts';
import { NodeLifecycle } from './controllers/node-lifecycle.ts';
import { ReplicaSetController } from './controllers/replica-set.ts';
import { Scheduler } from './controllers/scheduler.ts';
import { StatefulSetController } from './controllers/stateful-set.ts';
import { VolumeController } from './controllers/volumes.ts';
import { Timers } from './timers.ts';

export interface Surroundings {
  /** How many pods an owner of a kind that is not played here wants, by uid. */
  readonly scaleOf?: ((uid: string) => number | undefined) | undefined;
}

export class ControlPlane {
  readonly timers: Timers;
  readonly kubelets: Kubelets;
  /** Kubelets that run outside of this simulation report to it. */
  readonly lifecycle: NodeLifecycle;
  readonly #stopListening: () => void;

  constructor(api: KubernetesApi, times: Partial<ControllerTimes> = {}, { scaleOf }: Surroundings = {}) {
    const { registry, store } = api;
    this.timers = new Timers(registry.clock);
    const context: Context = {
      registry,
      store,
      timers: this.timers,
      times: { ...defaultTimes, ...times },
      pods: api.pods,
      scaleOf,
    };
    this.lifecycle = new NodeLifecycle(context);
    this.kubelets = new Kubelets(context, this.lifecycle);
    const controllers: readonly Controller[] = [
      new DeploymentController(context),
      new ReplicaSetController(context),
      new StatefulSetController(context),
      new DaemonSetController(context),
      new Scheduler(context),
      this.kubelets,
      this.lifecycle,
      new DisruptionController(context),
      new VolumeController(context),
      new Cleanup(context, api.kinds),
    ];
    this.#stopListening = store.subscribe((change) => {
      for (const controller of controllers) controller.onChange(change);
    });
  }

  stop(): void {
    this.#stopListening();
    this.timers.stop();
  }
}
