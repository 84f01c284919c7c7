/** A plain HTTPS client for the tests of the lab: it shows every answer as it is. */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startLabKubernetes, type LabKubernetes } from '../../../src/lab/kubernetes/lab-kubernetes.ts';
import type { KubernetesApi } from '../../../src/simulator/kubernetes/api.ts';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly contentType?: string | undefined;
  readonly body?: unknown;
  readonly token?: string | undefined;
  /** When a watch has been read enough; without, it is read to its end. */
  readonly until?: ((text: string) => boolean) | undefined;
}

interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  readonly lines: readonly unknown[];
}

class LabClient {
  readonly #lab: LabKubernetes;
  readonly #agent: Agent;

  constructor(lab: LabKubernetes) {
    this.#lab = lab;
    this.#agent = new Agent({ keepAlive: true, ca: lab.authorityPem });
  }

  async ask(asked: Asked): Promise<Answered> {
    const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
    const headers = {
      ...(asked.token !== undefined && { authorization: `Bearer ${asked.token}` }),
      ...(body !== undefined && {
        'content-type': asked.contentType ?? 'application/json',
        // Node sends the body of a DELETE without any length unless it is told.
        'content-length': Buffer.byteLength(body),
      }),
    };
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const { method } = asked;
      const signal = AbortSignal.timeout(20_000);
      httpsRequest(new URL(asked.path, this.#lab.url), { method, headers, agent: this.#agent, signal })
        .once('response', resolve)
        .once('error', reject)
        .end(body);
    });
    let text = '';
    for await (const chunk of response) {
      text += String(chunk);
      if (asked.until?.(text) === true) break;
    }
    const lines = text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as unknown);
    return { status: response.statusCode ?? 0, headers: response.headers, text, lines };
  }

  close(): void {
    this.#agent.destroy();
  }
}

export interface LabUnderTest {
  readonly lab: LabKubernetes;
  readonly client: LabClient;
  stop(): Promise<void>;
}

export async function startLab(api: KubernetesApi, options: { bookmarkMs?: number } = {}): Promise<LabUnderTest> {
  const folder = await mkdtemp(path.join(tmpdir(), 'pitcrew-lab-kubernetes-'));
  try {
    const lab = await startLabKubernetes(api, { port: 0, folder, ...options });
    const client = new LabClient(lab);
    const stop = async (): Promise<void> => {
      client.close();
      await lab.stop();
      await rm(folder, { recursive: true });
    };
    return { lab, client, stop };
  } catch (error) {
    await rm(folder, { recursive: true });
    throw error;
  }
}
