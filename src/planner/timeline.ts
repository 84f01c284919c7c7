/**
 * A run in virtual time: when each server starts and ends, by the very admission that the coordinator uses.
 *
 * Pure. Approvals are taken to be given at once, nothing fails, and no step waits for a budget of pods; what the plan
 * itself says (waves, soaks, budgets, domains, windows, blackouts, capacity) is kept to. It promises nothing.
 */
import { openingsFrom, type Opening, type Schedule, type Span } from '../schedule/schedule.ts';
import { admit, queuesOf, type Queue, type Refusal, type Refuses } from '../workflow/admission.ts';
import type { RunDefinition, RunServer } from '../workflow/definition.ts';

/** How long one server is out of the hands of others, from its start to its end. */
export interface Takes {
  readonly ms: number;
  /** What has to be left of the window when it starts. */
  readonly neededMs: number;
}

export interface TimelineInput {
  readonly definition: Pick<RunDefinition, 'servers' | 'waves' | 'maxUnavailable' | 'maxParallel' | 'schedule'>;
  readonly startMs: number;
  readonly takes: (server: RunServer) => Takes;
  /** Targets that are out of service already, whatever the reason. */
  readonly down: ReadonlySet<string>;
  /** Whether the pods of a server would find no room; left out: nobody asks. */
  readonly refuses?: Refuses | undefined;
}

export interface TimedServer {
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface TimedWave {
  /** Of its first server's start and its last one's end; left out where none of them starts. */
  readonly span?: Span | undefined;
  /** How many were at work together at most. */
  readonly atOnce: number;
  /** What kept one more from starting when the most were at work; left out: nobody was left. */
  readonly limit?: Refusal | { readonly kind: 'window' } | undefined;
}

export interface Timeline {
  /** In the order in which they start; without those that were left out. */
  readonly servers: readonly TimedServer[];
  /** One for each wave of the definition. */
  readonly waves: readonly TimedWave[];
  /** Why those that are not among `servers` never start; left out: all of them do. */
  readonly stuck?: Refusal | { readonly kind: 'window' } | undefined;
}

export function walk(input: TimelineInput): Timeline {
  const { definition } = input;
  const walker = new Walker(input);
  const waves: TimedWave[] = [];
  const byName = new Map(definition.servers.map((server) => [server.name, server]));
  for (const [index, { servers, soakMs }] of definition.waves.entries()) {
    waves.push(walker.wave(servers.flatMap((name) => byName.get(name) ?? []).filter(({ leftOut }) => !leftOut)));
    if (index < definition.waves.length - 1) walker.rest(soakMs);
  }
  return { servers: walker.timed, waves, stuck: walker.stuck };
}

interface Waiting extends Queue {
  readonly servers: Set<string>;
}

interface Openness {
  /** The lengths for which there is time enough now. */
  readonly open: ReadonlySet<number>;
  readonly isAll: boolean;
  /** When there will be for another one; left out: never, or there is already. */
  readonly nextMs: number | undefined;
}

class Walker {
  readonly timed: TimedServer[] = [];
  stuck: Timeline['stuck'];
  readonly #input: TimelineInput;
  readonly #takes: ReadonlyMap<string, Takes>;
  readonly #domains: ReadonlyMap<string, string>;
  readonly #windows: Windows | undefined;
  readonly #down: Set<string>;
  /** By the time of their end, the next one first. */
  readonly #running: TimedServer[] = [];
  readonly #held = new Map<string, string>();
  #nowMs: number;

  constructor(input: TimelineInput) {
    const { definition, startMs } = input;
    this.#input = input;
    this.#takes = new Map(definition.servers.map((server) => [server.name, input.takes(server)]));
    this.#domains = new Map(definition.servers.map((server) => [server.name, server.domain]));
    this.#windows = definition.schedule && new Windows(definition.schedule, startMs);
    this.#down = new Set(input.down);
    this.#nowMs = startMs;
  }

  rest(lengthMs: number): void {
    this.#nowMs += lengthMs;
  }

  /** One wave from its first admission to its last end. Once something is stuck, nothing starts any more. */
  wave(servers: readonly RunServer[]): TimedWave {
    const queues = queuesOf(servers).map(({ domain, servers: names }): Waiting => ({
      domain,
      servers: new Set(names),
    }));
    const lengths = new Set(servers.map(({ name }) => this.#neededMs(name)));
    const first = this.timed.length;
    let atOnce = 0;
    let limit: TimedWave['limit'];
    while (this.stuck === undefined && queues.some((queue) => queue.servers.size > 0)) {
      const opening = this.#opening(lengths);
      const refusal = this.#start(queues, opening);
      if (this.#running.length > atOnce) {
        atOnce = this.#running.length;
        const isLeft = queues.some((queue) => queue.servers.size > 0);
        limit = refusal ?? (isLeft ? { kind: 'window' } : undefined);
      }
      if (!this.#advance(opening.nextMs)) this.stuck = refusal ?? { kind: 'window' };
    }
    while (this.#advance(undefined));
    const own = this.timed.slice(first);
    const start = own[0];
    const span = start && { fromMs: start.fromMs, toMs: own.reduce((last, { toMs }) => Math.max(last, toMs), 0) };
    return { span, atOnce, limit };
  }

  #neededMs(server: string): number {
    return this.#takes.get(server)?.neededMs ?? 0;
  }

  /** Which lengths may start now, and when the next one of the others may. */
  #opening(lengths: ReadonlySet<number>): Openness {
    if (!this.#windows) return { open: lengths, isAll: true, nextMs: undefined };
    const open = new Set<number>();
    let nextMs: number | undefined;
    for (const length of lengths) {
      const atMs = this.#windows.nextStartMs(this.#nowMs, length);
      if (atMs === this.#nowMs) open.add(length);
      else if (atMs !== undefined) nextMs = Math.min(atMs, nextMs ?? atMs);
    }
    return { open, isAll: open.size === lengths.size, nextMs };
  }

  #start(queues: readonly Waiting[], openness: Openness): Refusal | undefined {
    if (openness.open.size === 0) return undefined;
    const { maxUnavailable, maxParallel } = this.#input.definition;
    const active = this.#running.length;
    const places = { maxUnavailable, maxParallel, held: this.#held, active, down: this.#down };
    const { admitted, refusal } = admit(this.#startable(queues, openness), places, this.#input.refuses);
    const byDomain = new Map(queues.map((queue) => [queue.domain, queue.servers]));
    for (const name of admitted) {
      const domain = this.#domains.get(name) ?? '';
      byDomain.get(domain)?.delete(name);
      this.#held.set(name, domain);
      this.#run({ name, fromMs: this.#nowMs, toMs: this.#nowMs + (this.#takes.get(name)?.ms ?? 0) });
    }
    return refusal;
  }

  /** Mostly all may start or none; only shortly before a window shuts do some still fit and others no more. */
  #startable(queues: readonly Waiting[], { open, isAll }: Openness): readonly Queue[] {
    if (isAll) return queues;
    const isOpen = (name: string): boolean => open.has(this.#neededMs(name));
    return queues.map(({ domain, servers }) => ({ domain, servers: [...servers].filter(isOpen) }));
  }

  #run(server: TimedServer): void {
    this.timed.push(server);
    let at = this.#running.length;
    // Who starts last mostly ends last.
    while (at > 0 && (this.#running[at - 1]?.toMs ?? 0) > server.toMs) at -= 1;
    this.#running.splice(at, 0, server);
  }

  /** To the next end of a server, or to the next opening where that comes first. `false`: nothing will ever happen. */
  #advance(opensMs: number | undefined): boolean {
    const next = this.#running[0]?.toMs;
    if (next === undefined && opensMs === undefined) return false;
    this.#nowMs = Math.min(next ?? Infinity, opensMs ?? Infinity);
    for (let ended = this.#running[0]; ended && ended.toMs <= this.#nowMs; ended = this.#running[0]) {
      this.#running.shift();
      this.#held.delete(ended.name);
      this.#down.delete(ended.name);
    }
    return true;
  }
}

/** The open times of a schedule, read as far as they are needed: asking for each of them anew takes too long. */
class Windows {
  readonly #openings: Iterator<Opening>;
  readonly #spans: Span[] = [];
  #isAll = false;
  /** Lengths for which no window is long enough. */
  readonly #never = new Set<number>();

  constructor(schedule: Schedule, fromMs: number) {
    this.#openings = openingsFrom(schedule, fromMs);
  }

  /** As `nextStart`, for times that never go back. */
  nextStartMs(nowMs: number, takesMs: number): number | undefined {
    if (this.#never.has(takesMs)) return undefined;
    while (this.#spans[0] && this.#spans[0].toMs <= nowMs) this.#spans.shift();
    for (let index = 0; ; index += 1) {
      const span = this.#span(index);
      if (!span) {
        this.#never.add(takesMs);
        return undefined;
      }
      const atMs = Math.max(nowMs, span.fromMs);
      if (atMs + Math.max(1, takesMs) <= span.toMs) return atMs;
    }
  }

  #span(index: number): Span | undefined {
    while (index >= this.#spans.length && !this.#isAll) {
      const next = this.#openings.next();
      if (next.done) this.#isAll = true;
      else this.#spans.push(...next.value.open);
    }
    return this.#spans[index];
  }
}
