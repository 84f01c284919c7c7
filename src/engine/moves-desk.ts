/**
 * What a move of the rebalancing is made with: the moves of `src/steps`, written into the run's own stream instead of a
 * server's. It decides nothing.
 */
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Lease } from '../ports/leases.ts';
import type { MovesContext } from '../steps/step.ts';
import type { RunEvent } from '../workflow/events.ts';
import type { Move, MoveEvent } from '../workflow/move-state.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { RunLog } from './run-log.ts';
import type { EngineWorld } from './world.ts';

export interface MovesDesk extends MovesContext {
  /** The move in hand is through. */
  isOver(): boolean;
}

interface DeskInput {
  readonly run: RunState;
  readonly lease: Lease;
  readonly signal: AbortSignal;
  readonly open: { readonly from: string };
}

/** People write into the same stream; whoever comes second so often is not alone. */
const triesMax = 20;

export function movesDesk(world: EngineWorld, log: RunLog, { run, lease, signal, open }: DeskInput): MovesDesk {
  const { movers, clock, logger } = world;
  let latest = run;
  const record = async (...events: MoveEvent[]): Promise<void> => {
    const changes = events.map(asRunEvent);
    for (let tries = 1; ; tries += 1) {
      signal.throwIfAborted();
      try {
        await log.appendRun(run.definition.runId, latest.version, changes, lease);
        break;
      } catch (error) {
        const isRace = error instanceof MaintenanceError && error.code === 'journal/conflict';
        if (!isRace || tries >= triesMax) throw error;
        latest = (await log.run(run.definition.runId)) ?? latest;
      }
    }
    latest = (await log.run(run.definition.runId)) ?? latest;
  };
  const current = (): Move | undefined => latest.rebalance?.moves.at(-1)?.move;
  return {
    definition: run.definition,
    // Not the server's own name: ids of moves are made of it, and must not be those of its evacuation.
    server: { name: `${open.from}/rebalance`, node: open.from },
    get state() {
      const move = current();
      return { version: latest.version, moves: move ? { [move.pod.uid]: move } : {} };
    },
    movers,
    clock,
    logger,
    signal,
    record,
    isOver: () => current()?.result !== undefined,
  };
}

function asRunEvent(event: MoveEvent): RunEvent {
  if (event.kind !== 'moveStarted') return { kind: 'rebalanceMoveChanged', change: event };
  throw new Error('a move of the rebalancing begins by an event of its own');
}
