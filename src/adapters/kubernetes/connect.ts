/**
 * Opens the cluster that a kubeconfig names.
 *
 * It reads files only; whether the API answers is found out by the first call, so that a daemon can start before it.
 */
import { hostname } from 'node:os';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import { loadKubeconfig, serverOf, type KubeconfigChoice } from './kubeconfig.ts';
import { KubernetesCluster } from './kubernetes-cluster.ts';
import { medik8sNamespace } from './node-leases.ts';
import { ApiTransport } from './transport.ts';
import type { FreshnessTimes } from './watched-cluster.ts';
import type { WatchTimes } from './watched-list.ts';

export interface KubernetesTimes extends WatchTimes, FreshnessTimes {
  readonly requestMs: number;
}

/**
 * A real API server sends a bookmark about once a minute. So a watch is silent only after more than that, and the view
 * is stale only when opening the watch anew has failed for a while, too.
 */
const defaultTimes: KubernetesTimes = {
  requestMs: 30_000,
  watchMs: 300_000,
  silenceMs: 75_000,
  staleMs: 120_000,
  syncMs: 30_000,
  coalesceMs: 100,
  backoffMinMs: 250,
  backoffMaxMs: 30_000,
};

export interface ConnectOptions extends KubeconfigChoice {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Ends everything, like `stop`. */
  readonly signal?: AbortSignal | undefined;
  readonly leaseNamespace?: string | undefined;
  readonly times?: Partial<KubernetesTimes> | undefined;
}

export async function connectKubernetes(options: ConnectOptions): Promise<KubernetesCluster> {
  options.signal?.throwIfAborted();
  const config = loadKubeconfig(options);
  const server = serverOf(config, options);
  const times = { ...defaultTimes, ...options.times };
  const transport = new ApiTransport(config, server, { requestTimeoutMs: times.requestMs });
  const cluster = new KubernetesCluster({
    transport,
    clock: options.clock,
    random: options.random,
    logger: options.logger,
    leaseNamespace: options.leaseNamespace ?? medik8sNamespace,
    instance: hostname(),
    times,
  });
  options.signal?.addEventListener('abort', () => void cluster.stop(), { once: true });
  cluster.start();
  return cluster;
}
