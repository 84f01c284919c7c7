/**
 * Finds the kubeconfig by the rules of kubectl and reads it. What is wrong with it is said here, before any request;
 * its text is never quoted, because it may be a token.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { listAt, recordAt, textAt } from '../../cluster/json.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';

export interface KubeconfigChoice {
  /** Path of a kubeconfig. Without: `KUBECONFIG`, then `~/.kube/config`, then the pod's service account. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** The service account of the pod that we run in, and nothing else. */
  readonly inCluster?: boolean | undefined;
}

export function loadKubeconfig(options: KubeconfigChoice): KubeConfig {
  const config = new KubeConfig();
  try {
    if (options.inCluster) config.loadFromCluster();
    else if (options.kubeconfig !== undefined) config.loadFromFile(options.kubeconfig);
    else config.loadFromDefault();
    if (!options.inCluster) addTokenFiles(config, filesOf(options));
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

export function serverOf(config: KubeConfig, options: KubeconfigChoice): string {
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
  return new MaintenanceError('cluster/kubeconfig', 'halt', `the kubeconfig ${why}`);
}

function filesOf(options: KubeconfigChoice): string[] {
  if (options.kubeconfig !== undefined) return [options.kubeconfig];
  const named = process.env['KUBECONFIG'] ?? '';
  return named ? named.split(delimiter).filter(Boolean) : [join(homedir(), '.kube', 'config')];
}

/**
 * The library overlooks `tokenFile`, which is how short-lived tokens are kept. It wins over `token`, as with kubectl,
 * and is read anew every minute.
 */
function addTokenFiles(config: KubeConfig, files: readonly string[]): void {
  const tokenFiles = new Map(files.flatMap((file) => tokenFilesIn(file)));
  config.users = config.users.map((user) => {
    const tokenFile = tokenFiles.get(user.name);
    if (tokenFile === undefined) return user;
    const { token: _token, ...others } = user;
    return { ...others, authProvider: { name: 'tokenFile', config: { tokenFile } } };
  });
}

function tokenFilesIn(file: string): [user: string, tokenFile: string][] {
  let document: unknown;
  try {
    document = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // The library has read what there is; without any file it goes on with the pod's service account.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  return listAt(document, 'users').flatMap((entry) => {
    const tokenFile = textAt(recordAt(entry, 'user'), 'tokenFile');
    return tokenFile ? [[textAt(entry, 'name'), resolve(dirname(file), tokenFile)]] : [];
  });
}
