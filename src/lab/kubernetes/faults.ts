/**
 * Faults on the wire to the lab's Kubernetes API: answers that a real server or the network between gives now and then.
 * Each is switched on for a number of requests. They never change what the API itself does.
 */

export type WireFault =
  /** Refused before it had any effect, as API priority and fairness (429) or an overloaded server does it. */
  | { readonly kind: 'status'; readonly status: 409 | 429 | 500 | 503; readonly retryAfterSeconds?: number }
  /** Taken, and never answered. */
  | { readonly kind: 'hang' }
  /** The connection is cut before the request has any effect. */
  | { readonly kind: 'cut' }
  /** The request takes effect, and the connection is cut before the answer. */
  | { readonly kind: 'answerLost' }
  | { readonly kind: 'delay'; readonly delayMs: number };

export interface FaultMatch {
  readonly method?: string;
  /** Against path and query. */
  readonly path?: RegExp;
}

interface Armed {
  readonly match: FaultMatch;
  readonly fault: WireFault;
  left: number;
}

export class LabFaults {
  readonly #armed: Armed[] = [];
  readonly #watches = new Set<() => void>();
  /** How many requests met a fault. */
  struck = 0;

  /** The next `times` matching requests meet this fault; of several, the one armed first. */
  arm(fault: WireFault, match: FaultMatch = {}, times = 1): void {
    this.#armed.push({ match, fault, left: times });
  }

  clear(): void {
    this.#armed.length = 0;
  }

  /** Cuts every open watch without a word; how many there were. */
  breakWatches(): number {
    const watches = [...this.#watches];
    for (const cut of watches) cut();
    return watches.length;
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  /** For the door: what this request meets. */
  strike(method: string, url: string): WireFault | undefined {
    const found = this.#armed.find(
      ({ match, left }) =>
        left > 0 && (match.method ?? method) === method && (match.path === undefined || match.path.test(url)),
    );
    if (!found) return undefined;
    found.left -= 1;
    this.struck += 1;
    return found.fault;
  }

  /** For the door: a watch that can be cut; call the result when it has ended. */
  noteWatch(cut: () => void): () => void {
    this.#watches.add(cut);
    return () => this.#watches.delete(cut);
  }
}
