/**
 * The container runtime interface over gRPC, as a kubelet speaks it: the calls that the lab's kubelet makes, with the real
 * definitions, loaded when the lab starts.
 *
 * It never retries; the kubelet does, in its own time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, makeGenericClientConstructor, type Client, type ClientUnaryCall } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { isRecord, listAt, numberAt, recordAt, textAt } from '../../../cluster/json.ts';

export interface CriSandbox {
  readonly id: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly isReady: boolean;
}

export interface CriContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly attempt: number;
  readonly state: CriState;
}

export type CriState = 'created' | 'running' | 'exited' | 'unknown';

export interface CriContainerStatus extends CriContainer {
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly imageRef: string;
}

export interface ExecAnswer {
  readonly exitCode: number;
  readonly output: string;
}

type Method = (
  request: unknown,
  options: { deadline: Date },
  callback: (error: Error | null, answer: unknown) => void,
) => ClientUnaryCall;

/** The patience of a kubelet with its runtime, if nobody has set another. */
const callMs = 120_000;
const sandboxMs = 2 * callMs;
/** A restored container is created only when its memory has arrived. */
const startMs = 240_000;
const readyMs = 60_000;
const readyPauseMs = 100;

export class Cri {
  readonly #runtime: Client & Record<string, Method>;
  readonly #images: Client & Record<string, Method>;

  constructor(definitionFile: string, socket: string) {
    const definition = loadSync(definitionFile, { keepCase: true, longs: String, enums: String, defaults: true });
    const address = `unix:${socket}`;
    this.#runtime = clientOf(definition, 'RuntimeService', address);
    this.#images = clientOf(definition, 'ImageService', address);
  }

  close(): void {
    this.#runtime.close();
    this.#images.close();
  }

  /** A runtime that has just started answers before its CRI does; a kubelet waits for that. */
  async untilReady(): Promise<void> {
    const untilMs = performance.now() + readyMs;
    for (;;) {
      try {
        await this.#call(this.#runtime, 'Version', {});
        await this.sandboxes();
        return;
      } catch (error) {
        if (performance.now() >= untilMs) throw error;
        await sleep(readyPauseMs);
      }
    }
  }

  async hasImage(image: string): Promise<boolean> {
    const answer = await this.#call(this.#images, 'ImageStatus', { image: { image } });
    return isRecord(answer) && isRecord(answer['image']);
  }

  async runSandbox(config: unknown, signal: AbortSignal): Promise<string> {
    return textAt(await this.#call(this.#runtime, 'RunPodSandbox', { config }, sandboxMs, signal), 'pod_sandbox_id');
  }

  /** Empty while it has none. */
  async sandboxAddress(sandboxId: string): Promise<string> {
    const answer = await this.#call(this.#runtime, 'PodSandboxStatus', { pod_sandbox_id: sandboxId });
    return textAt(recordAt(recordAt(answer, 'status'), 'network'), 'ip');
  }

  async stopSandbox(sandboxId: string): Promise<void> {
    await this.#call(this.#runtime, 'StopPodSandbox', { pod_sandbox_id: sandboxId }, sandboxMs);
  }

  async removeSandbox(sandboxId: string): Promise<void> {
    await this.#call(this.#runtime, 'RemovePodSandbox', { pod_sandbox_id: sandboxId }, sandboxMs);
  }

  async sandboxes(): Promise<CriSandbox[]> {
    const answer = await this.#call(this.#runtime, 'ListPodSandbox', {});
    return listAt(answer, 'items').map((item) => {
      const metadata = recordAt(item, 'metadata');
      return {
        id: textAt(item, 'id'),
        uid: textAt(metadata, 'uid'),
        namespace: textAt(metadata, 'namespace'),
        name: textAt(metadata, 'name'),
        isReady: textAt(item, 'state') === 'SANDBOX_READY',
      };
    });
  }

  async createContainer(sandboxId: string, config: unknown, sandboxConfig: unknown): Promise<string> {
    const request = { pod_sandbox_id: sandboxId, config, sandbox_config: sandboxConfig };
    return textAt(await this.#call(this.#runtime, 'CreateContainer', request), 'container_id');
  }

  async startContainer(containerId: string, signal: AbortSignal): Promise<void> {
    await this.#call(this.#runtime, 'StartContainer', { container_id: containerId }, startMs, signal);
  }

  /** Asks it to end, and kills it after so many seconds. */
  async stopContainer(containerId: string, timeoutSeconds: number): Promise<void> {
    const request = { container_id: containerId, timeout: timeoutSeconds };
    await this.#call(this.#runtime, 'StopContainer', request, callMs + timeoutSeconds * 1_000);
  }

  async removeContainer(containerId: string): Promise<void> {
    await this.#call(this.#runtime, 'RemoveContainer', { container_id: containerId });
  }

  async containers(): Promise<CriContainer[]> {
    const answer = await this.#call(this.#runtime, 'ListContainers', {});
    return listAt(answer, 'containers').map(readContainer);
  }

  async containerStatus(containerId: string): Promise<CriContainerStatus> {
    const answer = await this.#call(this.#runtime, 'ContainerStatus', { container_id: containerId });
    const status = recordAt(answer, 'status');
    return {
      ...readContainer(status),
      startedAt: timeOf(status['started_at']),
      finishedAt: timeOf(status['finished_at']),
      exitCode: numberAt(status, 'exit_code'),
      reason: textAt(status, 'reason'),
      message: textAt(status, 'message'),
      imageRef: textAt(status, 'image_ref'),
    };
  }

  async exec(containerId: string, command: readonly string[], timeoutSeconds: number): Promise<ExecAnswer> {
    const request = { container_id: containerId, cmd: command, timeout: timeoutSeconds };
    const answer = await this.#call(this.#runtime, 'ExecSync', request, callMs + timeoutSeconds * 1_000);
    const { stdout, stderr } = answer as { stdout?: Buffer; stderr?: Buffer };
    return {
      exitCode: numberAt(answer, 'exit_code'),
      output: `${stdout?.toString() ?? ''}${stderr?.toString() ?? ''}`,
    };
  }

  async #call(
    client: Record<string, Method>,
    method: string,
    request: unknown,
    timeoutMs = callMs,
    signal?: AbortSignal,
  ): Promise<unknown> {
    signal?.throwIfAborted();
    return await new Promise((resolve, reject) => {
      const deadline = new Date(Date.now() + timeoutMs);
      const call = client[method]?.(request, { deadline }, (error, answer) => {
        signal?.removeEventListener('abort', cancel);
        if (error) reject(new Error(`${method}: ${error.message}`, { cause: error }));
        else resolve(answer);
      });
      const cancel = (): void => call?.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }
}

function clientOf(definition: PackageDefinition, service: string, address: string): Client & Record<string, Method> {
  const found = definition[`runtime.v1.${service}`];
  if (found === undefined || 'format' in found) throw new Error(`the CRI definitions have no ${service}`);
  const Constructor = makeGenericClientConstructor(found, service);
  return new Constructor(address, credentials.createInsecure()) as unknown as Client & Record<string, Method>;
}

const states: Readonly<Record<string, CriState>> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
};

function readContainer(value: unknown): CriContainer {
  const metadata = recordAt(value, 'metadata');
  return {
    id: textAt(value, 'id'),
    sandboxId: textAt(value, 'pod_sandbox_id'),
    name: textAt(metadata, 'name'),
    attempt: numberAt(metadata, 'attempt'),
    state: states[textAt(value, 'state')] ?? 'unknown',
  };
}

/** Nanoseconds since 1970, in a text because they do not fit a number, as whole seconds. */
function timeOf(value: unknown): string {
  const ms = Number(BigInt(typeof value === 'string' ? value : '0') / 1_000_000n);
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
