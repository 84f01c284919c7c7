/**
 * Runs the probes of one running container until it is told to stop, and says what changed: whether it has started, whether it
 * is ready, that it is no longer alive. As a kubelet counts: thresholds, period, delay.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isRecord, listAt, numberAt, recordAt, textAt } from '../../../cluster/json.ts';

export interface ProbeWorld {
  exec(command: readonly string[], timeoutSeconds: number): Promise<boolean>;
  /** Whether something accepts connections on the pod's address. */
  connect(port: number, timeoutSeconds: number): Promise<boolean>;
}

export interface ProbeReport {
  onStarted(): void;
  onReady(isReady: boolean): void;
  onDead(): void;
}

interface Thresholds {
  readonly failures: number;
  readonly successes: number;
}

/** Gives whether each kind of probe is there, and starts them; they end with the signal. */
export function startProbes(container: unknown, world: ProbeWorld, report: ProbeReport, signal: AbortSignal): void {
  const [startup, liveness, readiness] = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) =>
    isRecord(container) && isRecord(container[name]) ? container[name] : undefined,
  );
  const afterStart = (): void => {
    report.onStarted();
    if (readiness) run(readiness, world, signal, (isGood) => report.onReady(isGood));
    else report.onReady(true);
    if (liveness) run(liveness, world, signal, (isGood) => (isGood ? undefined : report.onDead()));
  };
  if (!startup) {
    afterStart();
    return;
  }
  const starting = new AbortController();
  run(startup, world, AbortSignal.any([signal, starting.signal]), (isGood) => {
    starting.abort();
    if (isGood) afterStart();
    else report.onDead();
  });
}

/** Calls back whenever a threshold is crossed. */
function run(probe: unknown, world: ProbeWorld, signal: AbortSignal, onChange: (isGood: boolean) => void): void {
  const thresholds: Thresholds = {
    failures: numberAt(probe, 'failureThreshold', 3),
    successes: numberAt(probe, 'successThreshold', 1),
  };
  const loop = async (): Promise<void> => {
    await sleep(numberAt(probe, 'initialDelaySeconds', 0) * 1_000, undefined, { signal });
    let [inARow, last, told] = [0, undefined as boolean | undefined, undefined as boolean | undefined];
    for (;;) {
      const isGood = await once(probe, world);
      if (signal.aborted) return;
      inARow = isGood === last ? inARow + 1 : 1;
      last = isGood;
      if (isGood !== told && inARow >= (isGood ? thresholds.successes : thresholds.failures)) {
        told = isGood;
        onChange(isGood);
      }
      await sleep(numberAt(probe, 'periodSeconds', 10) * 1_000, undefined, { signal });
    }
  };
  loop().catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

async function once(probe: unknown, world: ProbeWorld): Promise<boolean> {
  const timeoutSeconds = numberAt(probe, 'timeoutSeconds', 1);
  const command = listAt(recordAt(probe, 'exec'), 'command').map(String);
  const port = numberAt(recordAt(probe, 'tcpSocket'), 'port');
  try {
    if (command.length > 0) return await world.exec(command, timeoutSeconds);
    if (port > 0) return await world.connect(port, timeoutSeconds);
  } catch {
    return false;
  }
  throw new Error(`the lab's kubelet knows exec and tcpSocket probes only, not ${textAt(probe, 'kind') || 'this one'}`);
}
