/** What was last seen on each server, asked anew when it is old. It judges nothing. */
import { abortable } from '../../errors/abortable.ts';
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Connections } from '../../ports/connections.ts';
import type { Shell } from '../../ports/shell.ts';
import type { InventoryServer } from '../../spec/inventory.ts';
import { runJob } from './jobs.ts';
import { askBootId, isSilence } from './pulse.ts';
import { serverFactsOf, type ServerFacts } from './readiness.ts';
import { lookText } from './scripts.ts';

interface Asked {
  readonly atMs: number;
  /** Uids of the pods that were Ready there before it was asked: one that it does not name then is none of its containers. */
  readonly about: ReadonlySet<string>;
}

export type Look = Asked &
  ({ readonly kind: 'seen'; readonly facts: ServerFacts } | { readonly kind: 'unseen'; readonly because: string });

/** Uids of Ready pods, by node. */
export type ReadyPods = ReadonlyMap<string, ReadonlySet<string>>;

interface Needs {
  readonly connections: Connections;
  readonly clock: Clock;
  readonly servers: () => Promise<readonly InventoryServer[]>;
}

/** In the inventory: the servers that live moves may come from and go to. Nothing is asked of the others. */
export const participation = { label: 'pitcrew.dev/live-migration', value: 'criu' };

/** Containers come and go, memory grows: older than this is not gone by. */
const freshMs = 10_000;
/** One that does not answer costs everybody this, so it is not asked so often. */
const silentMs = 60_000;
const timeoutMs = 60_000;
const jobPrefix = 'criu-look-';
const atOnce = 8;

export class ServerLooks {
  readonly #needs: Needs;
  readonly #looks = new Map<string, Look>();
  /** The last one that was begun at each server, whether it goes on or not. */
  readonly #begun = new Map<string, Promise<unknown>>();

  constructor(needs: Needs) {
    this.#needs = needs;
  }

  of(node: string): Look | undefined {
    return this.#looks.get(node);
  }

  async participants(): Promise<readonly InventoryServer[]> {
    const servers = await this.#needs.servers();
    return servers.filter(({ labels }) => labels[participation.label] === participation.value);
  }

  /** Every server that takes part; those seen a moment ago are not asked again, unless a pod has become Ready there since. */
  async refresh(ready: ReadyPods, signal: AbortSignal): Promise<ReadonlyMap<string, Look>> {
    const nowMs = this.#needs.clock.nowMs();
    const servers = await this.participants();
    const known = new Set(servers.map(({ node }) => node));
    for (const node of this.#looks.keys()) if (!known.has(node)) this.#looks.delete(node);
    const stale = servers.filter(({ node }) => isStale(this.#looks.get(node), nowMs, ready.get(node)));
    const work = async (): Promise<void> => {
      for (let server = stale.shift(); server; server = stale.shift()) {
        await this.look(server, signal, ready.get(server.node));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    return this.#looks;
  }

  /**
   * A server that cannot be asked is a fact, too, and no error of the one who asks. One after the other: who is ready first
   * takes all answers away that lie there.
   */
  async look(server: InventoryServer, signal: AbortSignal, about: ReadonlySet<string> = new Set()): Promise<Look> {
    const before = this.#begun.get(server.node);
    const own = (async () => {
      if (before)
        await abortable(
          before.catch(() => undefined),
          signal,
        );
      return this.#look(server, signal, about);
    })();
    this.#begun.set(server.node, own);
    return own;
  }

  async #look(server: InventoryServer, signal: AbortSignal, about: ReadonlySet<string>): Promise<Look> {
    const { connections, clock } = this.#needs;
    const atMs = clock.nowMs();
    const shell = connections.shellOf(server);
    let look: Look;
    try {
      // A server that is down, perhaps for its own maintenance, must not hold up the evacuation of another.
      await askBootId(shell, clock, signal);
      const output = await ask(shell, atMs.toString(36), signal);
      await shell.forget(jobPrefix, signal);
      look = { kind: 'seen', facts: serverFactsOf(output), atMs, about };
    } catch (error) {
      if (signal.aborted) throw error;
      if (!isSilence(error) && !(error instanceof MaintenanceError)) throw error;
      const because = error instanceof MaintenanceError ? error.message : 'it does not answer';
      look = { kind: 'unseen', because, atMs, about };
    }
    this.#looks.set(server.node, look);
    return look;
  }
}

/** @throws MaintenanceError */
async function ask(shell: Shell, id: string, signal: AbortSignal): Promise<string> {
  const job = { script: lookText(), timeoutMs, patienceMs: timeoutMs + 30_000 };
  let because = '';
  // It changes nothing, so one that broke off may be made again: another daemon may have taken the answer away.
  for (const which of ['', '-again']) {
    const result = await runJob(shell, { ...job, id: `${jobPrefix}${id}${which}` }, signal);
    if (result.kind === 'said') return result.output;
    if (result.kind === 'lost') because = result.because;
    else because = result.kind === 'running' ? 'the look at it does not end' : 'the look at it broke off';
    if (result.kind !== 'rebooted') break;
  }
  throw new MaintenanceError('service/failed', 'retry', because);
}

function isStale(look: Look | undefined, nowMs: number, ready: ReadonlySet<string> = new Set()): boolean {
  if (!look || nowMs - look.atMs >= (look.kind === 'seen' ? freshMs : silentMs)) return true;
  if (look.kind === 'unseen') return false;
  const named = new Set(look.facts.containers.map(({ podUid }) => podUid));
  return [...ready].some((uid) => !look.about.has(uid) && !named.has(uid));
}
