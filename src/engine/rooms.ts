/**
 * Whether there is room for what has to move off a server: one model of the cluster for each run, which is made once and then
 * follows the views, because to make it costs more than all that is asked of it.
 *
 * It decides nothing but that. A model is of one view: what is asked later is asked of the next one, through a new look.
 */
import type { ClusterView } from '../cluster/view.ts';
import { InvariantError } from '../errors/maintenance-error.ts';
import { Capacity } from '../planner/capacity.ts';
import type { Refuses } from '../workflow/admission.ts';
import type { RunDefinition } from '../workflow/definition.ts';
import type { Hold } from '../workflow/hold.ts';
import type { RunState } from '../workflow/run-state.ts';
import { downServers } from './availability.ts';

interface Model {
  readonly definition: RunDefinition;
  readonly capacity: Capacity;
  /** Whoever looks last has the model; an earlier look is over. */
  looks: number;
}

export class Rooms {
  /** How often a model was made from nothing, for the checkers. */
  made = 0;
  readonly #models = new Map<string, Model>();

  /** For those who hand out places. To be asked at once: it speaks of this view. */
  refusalsOf(run: RunState, view: ClusterView): Refuses | undefined {
    // Of a person who asks for this one server the evacuation's own look is enough: it waits for a while, and then ends.
    return run.definition.purpose === 'maintenance' ? this.#lookerAt(run, view) : undefined;
  }

  /** The check just before a cordon: is there still room for its pods, beside everything that goes out with it or before it? */
  holdOf(run: RunState, server: string, view: ClusterView): Hold | undefined {
    if (run.definition.purpose === 'return') return undefined;
    const besides = downServers(run.definition, view.nodes);
    // Those that got their place later look in their turn, and see this one: two that wait for each other wait for ever.
    for (const other of run.admitted) {
      if (other === server) break;
      besides.add(other);
    }
    besides.delete(server);
    const because = this.#lookerAt(run, view)(server, besides);
    return because === undefined ? undefined : { kind: 'waiting', for: 'capacity', text: because };
  }

  /** The run is over: nobody asks any more. */
  forget(runId: string): void {
    this.#models.delete(runId);
  }

  /** The model is only looked for when somebody asks: most looks end before that. */
  #lookerAt(run: RunState, view: ClusterView): Refuses {
    let model: Model | undefined;
    let look = 0;
    return (server, besides) => {
      if (!model) {
        model = this.#modelOf(run, view);
        look = model.looks;
      }
      if (model.looks !== look) throw new InvariantError('room was asked for of a view that is over');
      return model.capacity.refuses(server, besides);
    };
  }

  #modelOf({ definition, ends }: RunState, view: ClusterView): Model {
    const ended = new Set(Object.keys(ends));
    const known = this.#models.get(definition.runId);
    if (known?.definition === definition && known.capacity.follow({ view, ended })) {
      known.looks += 1;
      return known;
    }
    const { servers, evacuation } = definition;
    const model = {
      definition,
      capacity: new Capacity({ view, servers, ended, evacuation }),
      looks: 1,
    };
    this.#models.set(definition.runId, model);
    this.made += 1;
    return model;
  }
}
