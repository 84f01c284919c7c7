/**
 * At the start and from time to time: what the built-in mover left on servers and in the cluster for moves that are over, for
 * example on a server that was down when its move ended. Others it only names.
 */
import type { RunLog } from '../engine/run-log.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { CriuMover } from '../movers/criu/criu-mover.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal } from '../ports/journal.ts';
import type { Logger } from '../ports/logger.ts';
import type { Move } from '../workflow/move-state.ts';

interface SweepNeeds {
  readonly criu: CriuMover;
  readonly journal: Journal;
  readonly log: RunLog;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A look at every server that takes part; what is left does no harm meanwhile, but for a pod that waits for it. */
const everyMs = 300_000;

/** Until the signal. */
export async function keepSweeping(needs: SweepNeeds & { readonly clock: Clock }): Promise<void> {
  const { clock, signal } = needs;
  while (!signal.aborted) {
    await sweepMoves(needs);
    await clock.sleep(everyMs, signal).catch(() => undefined);
  }
}

async function sweepMoves({ criu, journal, log, logger, signal }: SweepNeeds): Promise<void> {
  try {
    const { removed, unknown } = await criu.sweep(() => movesOf(journal, log), signal);
    if (removed.length > 0) logger.warn({ moves: removed }, 'leftovers of live moves that are over were taken away');
    if (unknown.length > 0)
      logger.warn({ moves: unknown }, 'live moves that this journal does not know are left alone');
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof MaintenanceError)) throw error;
    // Who may not even list them has made none: the right to both is one.
    if (error.code === 'cluster/forbidden') return;
    logger.warn({ error: error.message }, 'leftovers of live moves could not be looked for');
  }
}

/** Of every run that is in the journal, ended ones too: a halted server may still have a pod on its way. */
async function movesOf(journal: Journal, log: RunLog): Promise<ReadonlyMap<string, 'over' | 'goingOn'>> {
  const known = new Map<string, 'over' | 'goingOn'>();
  const note = ({ id, result }: Move): void => void known.set(id, result ? 'over' : 'goingOn');
  for (const runId of await journal.runIds()) {
    const run = await log.run(runId);
    if (!run) continue;
    for (const { move } of run.rebalance?.moves ?? []) note(move);
    for (const { name } of run.definition.servers) {
      const { moves } = await log.server(run.definition, name);
      for (const move of Object.values(moves)) note(move);
    }
  }
  return known;
}
