/**
 * What a kubelet does for one pod, one thing after the other: volumes, sandbox, init containers, containers, status; and in the
 * end everything backwards. It acts when something has changed and when a wait is over; it never looks at other pods.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { numberAt, recordAt, textAt } from '../../../cluster/json.ts';
import type { PodObject } from '../../../simulator/kubernetes/objects.ts';
import type { LabServer } from '../server.ts';
import { ContainerRun, type ContainerWorld } from './container-run.ts';
import type { Cri, CriContainer, CriSandbox } from './cri.ts';
import { cgroupOf, containerConfig, sandboxConfig, type References } from './pod-config.ts';
import { containersOf, hookOf, podStatus } from './status.ts';
import { PodVolumes } from './volumes.ts';

export interface PodWorkerWorld {
  readonly cri: Cri;
  readonly server: LabServer;
  nowMs(): number;
  now(): string;
  references(namespace: string): References;
  report(uid: string, status: (latest: PodObject) => PodObject['status']): void;
  /** The pod's containers are gone: the object may go. */
  onEnded(uid: string): void;
  say(text: string, facts: Readonly<Record<string, string>>): void;
}

/** A pod that is gone from the API, or that has no time left, still gets this to end: as recorded of a real kubelet. */
const graceSecondsMin = 2;
const failedSyncGapsMs = [700, 13_300, 9_000, 12_000];
const longestWaitMs = 3_600_000;

export class PodWorker {
  pod: PodObject;
  readonly #world: PodWorkerWorld;
  readonly #volumes: PodVolumes;
  readonly #references: References;
  readonly #init: readonly ContainerRun[];
  readonly #containers: readonly ContainerRun[];
  readonly #startTime: string;
  readonly #ending = new AbortController();
  #graceSeconds: number | undefined;
  #sandboxId = '';
  #sandboxAttempt = 0;
  #address = '';
  #failures = 0;
  #wake: (() => void) | undefined;
  #isWoken = false;
  #isAbandoned = false;
  /** Resolves when nothing is left to do for this pod. */
  readonly done: Promise<void>;

  constructor(
    pod: PodObject,
    world: PodWorkerWorld,
    found: { sandboxes: readonly CriSandbox[]; containers: readonly CriContainer[] },
  ) {
    this.pod = pod;
    this.#world = world;
    this.#references = world.references(pod.metadata.namespace ?? '');
    this.#volumes = new PodVolumes(world.server, pod, this.#references);
    const runs = (list: 'initContainers' | 'containers'): ContainerRun[] =>
      containersOf(pod, list).map((container) => new ContainerRun(container, this.#containerWorld()));
    this.#init = runs('initContainers');
    this.#containers = runs('containers');
    this.#startTime = textAt(pod.status, 'startTime') || world.now();
    this.done = this.#work(found);
  }

  update(pod: PodObject): void {
    this.pod = pod;
    const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
    if (deletionTimestamp !== undefined) this.end(deletionGracePeriodSeconds ?? graceSecondsMin);
  }

  /** A second call can only shorten the time that is left. */
  end(graceSeconds: number): void {
    const seconds = Math.max(graceSecondsMin, graceSeconds);
    if (this.#graceSeconds !== undefined) {
      if (seconds < this.#graceSeconds) void this.#stopContainers(seconds);
      return;
    }
    this.#graceSeconds = seconds;
    this.#ending.abort();
    this.wake();
  }

  /** What the runtime lists now. */
  async look(containers: ReadonlyMap<string, CriContainer>): Promise<void> {
    for (const run of this.#all()) {
      const wasRunning = run.isRunning;
      await run.look(containers);
      if (wasRunning && !run.isRunning) this.wake();
    }
  }

  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** The kubelet stops; the containers run on. */
  abandon(): void {
    this.#isAbandoned = true;
    this.wake();
    for (const run of this.#all()) run.stopProbes();
  }

  #all(): readonly ContainerRun[] {
    return [...this.#init, ...this.#containers];
  }

  async #work(found: { sandboxes: readonly CriSandbox[]; containers: readonly CriContainer[] }): Promise<void> {
    await this.#adopt(found);
    while (!this.#ending.signal.aborted && !this.#isAbandoned) {
      let waitMs = longestWaitMs;
      this.#isWoken = false;
      try {
        waitMs = await this.#sync();
        this.#failures = 0;
      } catch (error) {
        if (this.#ending.signal.aborted || this.#isAbandoned) break;
        waitMs = failedSyncGapsMs[Math.min(this.#failures, failedSyncGapsMs.length - 1)] ?? 0;
        this.#failures += 1;
        this.#world.say('pod does not start yet', { pod: this.pod.metadata.name, error: String(error) });
      }
      this.#report();
      if (!this.#isWoken && !this.#ending.signal.aborted) await this.#wait(waitMs);
    }
    if (!this.#isAbandoned) await this.#finish();
  }

  async #wait(waitMs: number): Promise<void> {
    const waiting = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#wake = resolve;
      }),
      sleep(waitMs, undefined, { signal: waiting.signal, ref: false }).catch(() => undefined),
    ]);
    waiting.abort();
    this.#wake = undefined;
  }

  async #adopt(found: { sandboxes: readonly CriSandbox[]; containers: readonly CriContainer[] }): Promise<void> {
    const own = found.sandboxes.filter(({ uid }) => uid === this.pod.metadata.uid);
    this.#sandboxAttempt = own.length;
    const ready = own.find(({ isReady }) => isReady);
    if (ready) {
      this.#sandboxId = ready.id;
      this.#address = await this.#world.cri.sandboxAddress(ready.id).catch(() => '');
    }
    const ids = new Set(own.map(({ id }) => id));
    const containers = found.containers.filter(({ sandboxId }) => ids.has(sandboxId));
    for (const run of this.#all()) await run.adopt(containers).catch(() => undefined);
  }

  /** One step after the other; gives how long it may rest, if nothing happens. */
  async #sync(): Promise<number> {
    const { signal } = this.#ending;
    await this.#volumes.layOut();
    if (this.#sandboxId === '') {
      this.#sandboxId = await this.#world.cri.runSandbox(sandboxConfig(this.pod, this.#sandboxAttempt), signal);
      this.#sandboxAttempt += 1;
      this.#address = await this.#world.cri.sandboxAddress(this.#sandboxId);
      if (this.#address === '') this.#address = this.#world.server.address;
      this.#report();
    }
    for (const run of this.#init) {
      if (hasSucceeded(run)) continue;
      // Whether it runs or has to wait: the next one waits with it.
      return await this.#startIfDue(run, signal);
    }
    let waitMs = longestWaitMs;
    for (const run of this.#containers) waitMs = Math.min(waitMs, await this.#startIfDue(run, signal));
    return waitMs;
  }

  async #startIfDue(run: ContainerRun, signal: AbortSignal): Promise<number> {
    if (run.isRunning || !this.#mayStart(run)) return longestWaitMs;
    const waitMs = run.waitMs(this.#world.nowMs());
    if (waitMs > 0) return waitMs;
    await run.start(signal);
    this.#report();
    return run.isRunning ? longestWaitMs : Math.max(1, run.waitMs(this.#world.nowMs()));
  }

  #mayStart({ state }: ContainerRun): boolean {
    if (state.kind !== 'terminated') return true;
    const policy = textAt(this.pod.spec, 'restartPolicy');
    return policy === 'Always' || (policy === 'OnFailure' && state.exitCode !== 0);
  }

  #report(): void {
    const isTerminating = this.#graceSeconds !== undefined;
    const report = {
      podIp: this.#address,
      hostIp: this.#world.server.address,
      hasSandbox: this.#sandboxId !== '',
      startTime: this.#startTime,
      // An init container is ready when it is through.
      init: this.#init.map((run) => ({ ...run.report(isTerminating), isReady: hasSucceeded(run) })),
      containers: this.#containers.map((run) => run.report(isTerminating)),
    };
    this.#world.report(this.pod.metadata.uid, (latest) => podStatus(latest, report, this.#world.now()));
  }

  async #finish(): Promise<void> {
    for (const run of this.#all()) run.stopProbes();
    this.#report();
    await this.#stopContainers(this.#graceSeconds ?? graceSecondsMin);
    const { cri, server } = this.#world;
    const uid = this.pod.metadata.uid;
    const sandboxes = (await this.#untilItWorks(() => cri.sandboxes())).filter((sandbox) => sandbox.uid === uid);
    for (const { id } of sandboxes) {
      await this.#untilItWorks(() => cri.stopSandbox(id));
      await this.#untilItWorks(() => cri.removeSandbox(id));
    }
    await this.#untilItWorks(() => this.#volumes.takeAway());
    const groups =
      'for group in /sys/fs/cgroup"$1" /sys/fs/cgroup/*"$1"; do [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +; done';
    await server.run(['sh', '-c', groups, 'sh', cgroupOf(this.pod)], { mayFail: true });
    this.#world.onEnded(uid);
  }

  async #stopContainers(graceSeconds: number): Promise<void> {
    await Promise.all(
      this.#all().map(async (run) => {
        if (run.id === '') return;
        const hook = hookOf(run.container, 'preStop');
        const startedMs = this.#world.nowMs();
        if (run.isRunning && hook.length > 0)
          await this.#world.cri.exec(run.id, hook, graceSeconds).catch(() => undefined);
        if (run.isRunning) await this.#preStopSleep(run.container, graceSeconds);
        const leftSeconds = Math.max(
          graceSecondsMin,
          graceSeconds - Math.floor((this.#world.nowMs() - startedMs) / 1_000),
        );
        await this.#untilItWorks(() => this.#world.cri.stopContainer(run.id, leftSeconds));
      }),
    );
  }

  async #preStopSleep(container: unknown, graceSeconds: number): Promise<void> {
    const seconds = numberAt(recordAt(recordAt(recordAt(container, 'lifecycle'), 'preStop'), 'sleep'), 'seconds');
    if (seconds > 0) await sleep(Math.min(seconds, graceSeconds) * 1_000, undefined, { ref: false });
  }

  /** A kubelet never gives up ending a pod; but a server that is off has ended it. */
  async #untilItWorks<T>(act: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await act();
      } catch (error) {
        if (!this.#world.server.isOn) throw error;
        this.#world.say('ending a pod failed, trying again', { pod: this.pod.metadata.name, error: String(error) });
        await sleep(1_000, undefined, { ref: false });
      }
    }
  }

  #containerWorld(): ContainerWorld {
    const { cri, server } = this.#world;
    return {
      cri,
      graceSeconds: numberAt(this.pod.spec, 'terminationGracePeriodSeconds', 30),
      nowMs: () => this.#world.nowMs(),
      wake: () => this.wake(),
      create: async (container, attempt) => {
        const image = textAt(container, 'image');
        if (!(await cri.hasImage(image))) throw new Error(`image ${image} is not on this server`);
        const mounts = await this.#volumes.mountsOf(container, this.#address);
        const config = containerConfig(this.pod, container, { attempt, mounts, references: this.#references });
        return await cri.createContainer(this.#sandboxId, config, sandboxConfig(this.pod, this.#sandboxAttempt - 1));
      },
      probes: (containerId) => ({
        exec: async (command, timeoutSeconds) => (await cri.exec(containerId, command, timeoutSeconds)).exitCode === 0,
        connect: async (port, timeoutSeconds) => {
          const script = 'exec 3<>"/dev/tcp/$1/$2"';
          const command = [
            'timeout',
            String(timeoutSeconds),
            'bash',
            '-c',
            script,
            'bash',
            this.#address,
            String(port),
          ];
          return (await server.run(command, { mayFail: true })).exitCode === 0;
        },
      }),
    };
  }
}

function hasSucceeded({ state }: ContainerRun): boolean {
  return state.kind === 'terminated' && state.exitCode === 0;
}
