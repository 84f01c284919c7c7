/**
 * Finds the kubeconfig by the rules of kubectl and opens the cluster that it names.
 *
 * It reads files only; whether the API answers is found out by the first call, so that a daemon can start before it.
 */
import { hostname } from 'node:os';
import { KubeConfig } from '@kubernetes/client-node';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
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
export const defaultTimes: KubernetesTimes = {
  requestMs: 30_000,
  watchMs: 300_000,
  silenceMs: 75_000,
  staleMs: 120_000,
  syncMs: 30_000,
  coalesceMs: 100,
  backoffMinMs: 250,
  backoffMaxMs: 30_000,
};

export interface ConnectOptions {
  /** Path of a kubeconfig. Without: `KUBECONFIG`, then `~/.kube/config`, then the pod's service account. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** The service account of the pod that we run in, and nothing else. */
  readonly inCluster?: boolean | undefined;
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
  const config = loadConfig(options);
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

function loadConfig(options: ConnectOptions): KubeConfig {
  const config = new KubeConfig();
  try {
    if (options.inCluster) config.loadFromCluster();
    else if (options.kubeconfig !== undefined) config.loadFromFile(options.kubeconfig);
    else config.loadFromDefault();
  } catch (error) {
    // The parser quotes the text that it stumbles over, which may be a token: only a file's own error is told.
    const { code, path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
    throw unusable(code ? `could not be read: ${code} ${path ?? ''}`.trim() : 'is not a valid kubeconfig');
  }
  if (options.context !== undefined) {
    const names = config.getContexts().map((context) => context.name);
    if (!names.includes(options.context)) {
      throw unusable(`has no context ${options.context}; it has: ${names.sort().join(', ') || 'none'}`);
    }
    config.setCurrentContext(options.context);
  }
  return config;
}

/** What the library puts in place of a kubeconfig that it did not find. */
const fallbackServer = 'http://localhost:8080';

function serverOf(config: KubeConfig, options: ConnectOptions): string {
  const { server = '', skipTLSVerify = false } = config.getCurrentCluster() ?? {};
  const isDefault = options.kubeconfig === undefined && !options.inCluster;
  if (isDefault && server === fallbackServer) throw unusable('was not found: set KUBECONFIG, or name one');
  if (!URL.canParse(server)) {
    throw unusable(
      options.inCluster ? 'of a pod was not found: not inside a cluster' : 'names no server for its context',
    );
  }
  // A token would travel in the clear. Said aloud in the kubeconfig, it may: loopback, tests.
  if (server.startsWith('http:') && !skipTLSVerify) throw unusable(`names a server without TLS: ${server}`);
  return server;
}

function unusable(why: string): MaintenanceError {
  return new MaintenanceError('cluster/unauthorized', 'halt', `the kubeconfig ${why}`);
}
