/**
 * A simulated cluster behind a real door: HTTPS on loopback with tokens and a kubeconfig, so that any client of
 * Kubernetes can talk to it. It only opens the door; what is behind it lives on without it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { stringify } from 'yaml';
import { adminUser, pitcrewUser, viewerUser } from '../../simulator/kubernetes/access.ts';
import type { KubernetesApi } from '../../simulator/kubernetes/api.ts';
import { makeCertificate, type Certificate } from './certificate.ts';
import { Door } from './door.ts';
import { LabFaults } from './faults.ts';

export interface LabKubernetesOptions {
  /** 0: a free one. */
  readonly port: number;
  /** Made if missing; holds certificate, tokens and kubeconfig. */
  readonly folder: string;
  readonly bookmarkMs?: number | undefined;
}

export interface LabKubernetes {
  readonly url: string;
  /** Contexts `pitcrew` (the current one), `admin` and `viewer`. */
  readonly kubeconfigFile: string;
  readonly tokens: LabTokens;
  /** What clients have to trust. */
  readonly authorityPem: string;
  readonly faults: LabFaults;
  stop(): Promise<void>;
}

interface LabTokens {
  readonly admin: string;
  readonly pitcrew: string;
  readonly viewer: string;
}

/** Longer than clients keep idle connections, so that it is the client that closes them. */
const keepAliveMs = 90_000;

export async function startLabKubernetes(api: KubernetesApi, options: LabKubernetesOptions): Promise<LabKubernetes> {
  const { folder, bookmarkMs = 60_000 } = options;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const certificate = await makeCertificate(folder);
  const tokens: LabTokens = { admin: newToken(), pitcrew: newToken(), viewer: newToken() };
  const userByToken = new Map([
    [tokens.admin, adminUser],
    [tokens.pitcrew, pitcrewUser],
    [tokens.viewer, viewerUser],
  ]);
  const faults = new LabFaults();
  const door = new Door({ api, faults, userByToken, bookmarkMs });
  const server = createServer({ key: certificate.keyPem, cert: certificate.certificatePem }, (request, response) => {
    door.handle(request, response).catch((error: unknown) => {
      // A client that went away in the middle is no failure; anything else is our bug and has to be seen.
      if (request.destroyed && !request.complete) return;
      response.destroy(error instanceof Error ? error : undefined);
      server.emit('error', error);
    });
  });
  server.keepAliveTimeout = keepAliveMs;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const kubeconfigFile = await writeKubeconfig(folder, url, certificate, tokens);
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  };
  return { url, kubeconfigFile, tokens, authorityPem: certificate.certificatePem, faults, stop };
}

function newToken(): string {
  return randomBytes(24).toString('base64url');
}

async function writeKubeconfig(
  folder: string,
  server: string,
  certificate: Certificate,
  tokens: LabTokens,
): Promise<string> {
  const users = await Promise.all(
    Object.entries(tokens).map(async ([name, token]) => {
      await writeFile(path.join(folder, `${name}.token`), `${token}\n`, { mode: 0o600 });
      // The token itself: not every client library knows `tokenFile`.
      return { name, user: { token } };
    }),
  );
  const authority = Buffer.from(certificate.certificatePem).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'certificate-authority-data': authority } }],
    users,
    contexts: users.map(({ name }) => ({ name, context: { cluster: 'lab', user: name } })),
    'current-context': 'pitcrew',
  };
  const file = path.resolve(folder, 'kubeconfig');
  await writeFile(file, stringify(config), { mode: 0o600 });
  return file;
}
