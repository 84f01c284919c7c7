/**
 * One container of a pod through all its starts: creates it, notices its end, decides when to start it again, keeps its probes
 * going. What a pod has to do with it, the pod's worker decides.
 */
import { isRecord, textAt } from '../../../cluster/json.ts';
import type { Cri, CriContainer, CriContainerStatus } from './cri.ts';
import { startProbes, type ProbeWorld } from './probes.ts';
import type { ContainerReport, ContainerState } from './status.ts';
import { hookOf } from './status.ts';

/** After a start that failed a kubelet tries again 0.7, 14 and 23 seconds after the first, then every twelve. */
const retryGapsMs = [700, 13_300, 9_000, 12_000];
/** After an ordinary end: at once, then later and later. */
const restartGapsMs = [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000];
/** Whoever has run that long starts anew with the short gaps. */
const soundMs = 600_000;

export interface ContainerWorld {
  readonly cri: Cri;
  /** How long it may take to end by itself. */
  readonly graceSeconds: number;
  nowMs(): number;
  create(container: unknown, attempt: number): Promise<string>;
  probes(containerId: string): ProbeWorld;
  /** Something to report or to do has come up. */
  wake(): void;
}

export class ContainerRun {
  readonly name: string;
  readonly container: unknown;
  readonly #world: ContainerWorld;
  #id = '';
  #attempt = -1;
  #state: ContainerState = { kind: 'waiting', reason: 'ContainerCreating' };
  #last: ContainerState | undefined;
  #imageRef = '';
  #isStarted = false;
  #isReady = false;
  #failures = 0;
  #ends = 0;
  #startedMs = 0;
  #notBeforeMs = 0;
  #probing = new AbortController();

  constructor(container: unknown, world: ContainerWorld) {
    this.container = container;
    this.name = textAt(container, 'name');
    this.#world = world;
  }

  get id(): string {
    return this.#id;
  }

  get state(): ContainerState {
    return this.#state;
  }

  get isRunning(): boolean {
    return this.#state.kind === 'running';
  }

  /** How long until it may be started again. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#notBeforeMs - nowMs);
  }

  /** Takes over what an earlier kubelet, or an earlier boot of the server, has left. */
  async adopt(found: readonly CriContainer[]): Promise<void> {
    const latest = found.filter(({ name }) => name === this.name).sort((a, b) => b.attempt - a.attempt)[0];
    if (!latest) return;
    this.#id = latest.id;
    this.#attempt = latest.attempt;
    const status = await this.#world.cri.containerStatus(latest.id);
    this.#imageRef = status.imageRef;
    if (status.state === 'running') this.#onRunning(status.startedAt);
    else this.#onEnd(status);
  }

  /** Creates and starts it. A failure is not thrown: it is its state, and the next try comes in its time. */
  async start(signal: AbortSignal): Promise<void> {
    const previous = this.#id;
    this.#attempt += 1;
    this.#last = this.#state.kind === 'terminated' ? this.#state : this.#last;
    try {
      this.#id = await this.#world.create(this.container, this.#attempt);
      await this.#world.cri.startContainer(this.#id, signal);
      const status = await this.#world.cri.containerStatus(this.#id);
      this.#imageRef = status.imageRef;
      this.#failures = 0;
      this.#onRunning(status.startedAt);
      const hook = hookOf(this.container, 'postStart');
      if (hook.length > 0) await this.#world.cri.exec(this.#id, hook, 30);
    } catch (error) {
      if (signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#state = { kind: 'waiting', reason: 'RunContainerError', message };
      this.#notBeforeMs = this.#world.nowMs() + (retryGapsMs[Math.min(this.#failures, retryGapsMs.length - 1)] ?? 0);
      this.#failures += 1;
    }
    if (previous !== '') await this.#world.cri.removeContainer(previous).catch(() => undefined);
  }

  /** Compares with what the runtime lists now. */
  async look(found: ReadonlyMap<string, CriContainer>): Promise<void> {
    if (!this.isRunning) return;
    const id = this.#id;
    if (found.get(id)?.state === 'running') return;
    // The list may be older than the container, and meanwhile there may be a newer one.
    const status = await this.#world.cri.containerStatus(id).catch(() => undefined);
    if (status?.state !== 'running' && this.#id === id && this.isRunning) this.#onEnd(status);
  }

  stopProbes(): void {
    this.#probing.abort();
  }

  report(isTerminating: boolean): ContainerReport {
    return {
      name: this.name,
      image: textAt(this.container, 'image'),
      imageRef: this.#imageRef,
      containerId: this.#id,
      state: this.#state,
      last: this.#last,
      restartCount: Math.max(0, this.#attempt),
      isStarted: this.#isStarted,
      isReady: this.#isReady && !isTerminating,
    };
  }

  #onEnd(status: CriContainerStatus | undefined): void {
    this.stopProbes();
    this.#isReady = false;
    this.#isStarted = false;
    this.#state = {
      kind: 'terminated',
      exitCode: status?.exitCode ?? 137,
      reason: status?.reason || 'Unknown',
      startedAt: status?.startedAt ?? '1970-01-01T00:00:00Z',
      finishedAt: status?.finishedAt ?? '1970-01-01T00:00:00Z',
    };
    const nowMs = this.#world.nowMs();
    if (nowMs - this.#startedMs > soundMs) this.#ends = 0;
    this.#notBeforeMs = nowMs + (restartGapsMs[Math.min(this.#ends, restartGapsMs.length - 1)] ?? 0);
    this.#ends += 1;
  }

  #onRunning(startedAt: string): void {
    this.#state = { kind: 'running', startedAt };
    this.#startedMs = this.#world.nowMs();
    this.#probing = new AbortController();
    const id = this.#id;
    const report = {
      onStarted: () => {
        this.#isStarted = true;
        this.#world.wake();
      },
      onReady: (isReady: boolean) => {
        this.#isReady = isReady;
        this.#world.wake();
      },
      // What follows is noticed as any other end.
      onDead: () => void this.#world.cri.stopContainer(id, this.#world.graceSeconds).catch(() => undefined),
    };
    if (isRecord(this.container)) startProbes(this.container, this.#world.probes(id), report, this.#probing.signal);
  }
}
