/**
 * Whether a server still stands as it did when a move began, and what proves that nothing of the move runs on it any more.
 *
 * It looks, and changes nothing. Silence proves nothing: a server that nobody reaches may well be running a pod.
 */
import type { NodeView } from '../../cluster/node.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Bmc } from '../../ports/bmc.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Shell } from '../../ports/shell.ts';

export type Pulse = 'same' | 'rebooted' | 'silent';

/** Longer than a switch takes to learn a new way, shorter than anybody wants to stand still. */
const patienceMs = 15_000;
const pauseMs = 1_000;

/** `then`: of the boot in which it began; empty where nobody wrote it down. */
export async function pulseOf(shell: Shell, then: string, clock: Clock, signal: AbortSignal): Promise<Pulse> {
  const now = await bootIdOf(shell, clock, signal);
  if (now === undefined) return 'silent';
  return then === '' || now === then ? 'same' : 'rebooted';
}

/** Undefined: it does not answer. */
export async function bootIdOf(shell: Shell, clock: Clock, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await askBootId(shell, clock, signal);
  } catch (error) {
    if (signal.aborted || !isSilence(error)) throw error;
    return undefined;
  }
}

/** A connection that dropped is not silence yet. @throws what stood in the way last, after some patience */
export async function askBootId(shell: Shell, clock: Clock, signal: AbortSignal): Promise<string> {
  const untilMs = clock.nowMs() + patienceMs;
  for (;;) {
    try {
      return (await shell.readFacts(AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]))).bootId;
    } catch (error) {
      if (signal.aborted || !isSilence(error) || clock.nowMs() >= untilMs) throw error;
    }
    await clock.sleep(pauseMs, signal);
  }
}

export function isSilence(error: unknown): boolean {
  if (error instanceof MaintenanceError) return error.disposition !== 'halt';
  return error instanceof DOMException && error.name === 'TimeoutError';
}

/** How Kubernetes is told that a node is shut down and will not come back by itself (KEP-2268). */
const outOfService = 'node.kubernetes.io/out-of-service';

/** Undefined: there is no proof. Without power, or since it was started anew, no process of before runs there. */
export async function whyDown(
  node: NodeView | undefined,
  bmc: Bmc,
  pulse: Pulse,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (pulse === 'same') return undefined;
  if (pulse === 'rebooted') return 'it was rebooted meanwhile';
  if (node?.taints.some(({ key }) => key === outOfService)) return `it carries the taint ${outOfService}`;
  try {
    return (await bmc.readPower(signal)) === 'off' ? 'its BMC says that it has no power' : undefined;
  } catch (error) {
    if (signal.aborted || !(error instanceof MaintenanceError)) throw error;
    return undefined;
  }
}
