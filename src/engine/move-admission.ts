/**
 * One door for beginning live moves, for all daemons and runs: whoever is inside counts what is under way anywhere, as the
 * journals have it, and writes his own beginning down before the next one counts.
 *
 * It does not judge; the limits are the step's.
 */
import type { MoveUnderWay } from '../evacuation/move-limits.ts';
import { isLiveMover } from '../steps/ways.ts';
import type { Move } from '../workflow/move-state.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { RunLog } from './run-log.ts';
import type { EngineWorld } from './world.ts';

const doorLease = 'moves';

/** `undefined`: somebody else is at it; ask again soon. */
export async function admitMove<T>(
  { leases, journal }: Pick<EngineWorld, 'leases' | 'journal'>,
  log: RunLog,
  work: (underWay: readonly MoveUnderWay[], signal: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const lease = await leases.acquire(doorLease);
  if ('heldBy' in lease) return undefined;
  try {
    const underWay: MoveUnderWay[] = [];
    for (const runId of await journal.runIds()) {
      if (log.known(runId)?.ended) continue;
      const run = await log.run(runId);
      if (run && !run.ended) underWay.push(...(await movesOf(run, log)));
    }
    return await work(underWay, lease.lost);
  } finally {
    await lease.release();
  }
}

async function movesOf(run: RunState, log: RunLog): Promise<MoveUnderWay[]> {
  const { definition, rebalance, admitted } = run;
  const servers = definition.servers.filter(({ name }) => admitted.has(name));
  const states = await Promise.all(servers.map(({ name }) => log.server(definition, name)));
  const evacuating = states.flatMap((state, index) =>
    Object.values(state.moves).map((move) => ({ move, from: servers[index]?.node ?? '' })),
  );
  return [...evacuating, ...(rebalance?.moves ?? [])].flatMap(({ move, from }) => underWay(move, from));
}

function underWay({ mover, target, pod, budgets, result }: Move, source: string): MoveUnderWay[] {
  return result ? [] : [{ source, target, mover, isLive: isLiveMover(mover), pod, budgets }];
}
