/** Faults between the orchestrator and the simulated API, drawn from a seed. They never change what the API does. */
import type { ErrorCode } from '../errors/codes.ts';
import { MaintenanceError, type Disposition } from '../errors/maintenance-error.ts';
import type { Random } from '../ports/clock.ts';

export interface ClusterFaultOptions {
  readonly random: Random;
  /** Share of calls, 0 to 1, that fail before they had any effect. */
  readonly rate: number;
  /** Share of calls that take effect and whose answer is lost. */
  readonly answerLostRate?: number | undefined;
}

type Fault = readonly [ErrorCode, Disposition, string];

function drawFault(chance: number): Fault {
  if (chance < 1 / 3) return ['cluster/throttled', 'wait', 'too many requests, please try again later'];
  if (chance < 2 / 3) return ['cluster/conflict', 'retry', 'the object has been modified'];
  return ['cluster/unreachable', 'retry', 'no answer: connect ECONNREFUSED'];
}

export class ClusterFaults {
  readonly #options: ClusterFaultOptions;
  /** How many calls failed by chance: a checker of faults has to see some. */
  injected = 0;

  constructor(options: ClusterFaultOptions) {
    this.#options = options;
  }

  beforeCall(what: string): void {
    const { random, rate } = this.#options;
    if (rate <= 0 || random.next() >= rate) return;
    const [code, disposition, text] = drawFault(random.next());
    this.injected += 1;
    throw new MaintenanceError(code, disposition, `Kubernetes: ${what}: ${text}`);
  }

  afterCall(what: string): void {
    const { random, answerLostRate = 0 } = this.#options;
    if (answerLostRate <= 0 || random.next() >= answerLostRate) return;
    this.injected += 1;
    throw new MaintenanceError('cluster/unreachable', 'retry', `Kubernetes: ${what}: no answer: socket hang up`);
  }
}
