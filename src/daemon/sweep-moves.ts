/** Once at the start: what the built-in mover left on servers and in the cluster for moves that no run goes on with. */
import type { RunLog } from '../engine/run-log.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { CriuMover } from '../movers/criu/criu-mover.ts';
import type { Journal } from '../ports/journal.ts';
import type { Logger } from '../ports/logger.ts';

interface SweepNeeds {
  readonly criu: CriuMover;
  readonly journal: Journal;
  readonly log: RunLog;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export async function sweepMoves({ criu, journal, log, logger, signal }: SweepNeeds): Promise<void> {
  try {
    const swept = await criu.sweep(() => unfinishedMoves(journal, log), signal);
    if (swept.length > 0) logger.warn({ moves: swept }, 'leftovers of unknown live moves were taken away');
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof MaintenanceError)) throw error;
    // Who may not even list them has made none: the right to both is one.
    if (error.code === 'cluster/forbidden') return;
    logger.warn({ error: error.message }, 'leftovers of live moves could not be looked for');
  }
}

/** Of every run that is in the journal, ended ones too: a halted server may still have a pod on its way. */
async function unfinishedMoves(journal: Journal, log: RunLog): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const runId of await journal.runIds()) {
    const run = await log.run(runId);
    if (!run) continue;
    for (const { name } of run.definition.servers) {
      const { moves } = await log.server(run.definition, name);
      for (const move of Object.values(moves)) if (!move.result) ids.add(move.id);
    }
  }
  return ids;
}
