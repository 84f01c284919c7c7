/** Everything that the engine works with, wired once by the composition root (or by a test). */
import type { Clock, Random } from '../ports/clock.ts';
import type { Cluster } from '../ports/cluster.ts';
import type { Connections } from '../ports/connections.ts';
import type { Journal } from '../ports/journal.ts';
import type { Leases } from '../ports/leases.ts';
import type { Logger } from '../ports/logger.ts';
import type { MoverName, PodMover } from '../ports/movers.ts';
import type { WakeUps } from '../ports/wake-ups.ts';

export interface EngineWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly cluster: Cluster;
  readonly connections: Connections;
  readonly movers: Readonly<Partial<Record<MoverName, PodMover>>>;
  readonly journal: Journal;
  readonly leases: Leases;
  readonly wakeUps: WakeUps;
}

/** The queue on which coordinators are woken; any daemon may coordinate any run. */
export const coordinatorSite = 'coordinator';
