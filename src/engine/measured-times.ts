/**
 * What the journals of earlier runs tell about how long servers and moves take. It only reads, and no more than the
 * newest runs; what a run that has ended told once is kept.
 */
import type { Journal } from '../ports/journal.ts';
import { learnTimes, sampleOf, type LearnedTimes, type Sample } from '../planner/times.ts';
import type { RunState } from '../workflow/run-state.ts';
import type { RunLog } from './run-log.ts';

/** Of one playbook; and how many runs are looked at to find them. */
const runsMax = 20;
const lookedAtMax = 200;
/** Streams that are read together. */
const chunk = 200;

export class MeasuredTimes {
  readonly #journal: Journal;
  readonly #log: RunLog;
  readonly #known = new Map<string, { readonly version: number; readonly samples: readonly Sample[] }>();

  constructor(journal: Journal, log: RunLog) {
    this.#journal = journal;
    this.#log = log;
  }

  async ofPlaybook(playbook: string): Promise<LearnedTimes> {
    const samples: Sample[] = [];
    let runs = 0;
    for (const runId of (await this.#journal.runIds()).slice(-lookedAtMax).reverse()) {
      if (runs >= runsMax) break;
      const known = this.#log.known(runId);
      const run = known?.ended ? known : await this.#log.run(runId);
      if (run?.definition.purpose !== 'maintenance' || run.definition.playbook !== playbook) continue;
      samples.push(...(await this.#ofRun(run)));
      runs += 1;
    }
    return learnTimes(samples);
  }

  async #ofRun(run: RunState): Promise<readonly Sample[]> {
    const { definition, version, ends } = run;
    const known = this.#known.get(definition.runId);
    if (known?.version === version) return known.samples;
    const done = definition.servers.filter(({ name }) => ends[name]?.outcome === 'done');
    const samples: Sample[] = [];
    for (let from = 0; from < done.length; from += chunk) {
      const servers = done.slice(from, from + chunk);
      const streams = servers.map(({ name }) => ({ runId: definition.runId, server: name }));
      const entries = await this.#journal.readMany(streams);
      samples.push(...servers.flatMap((server, index) => sampleOf(definition, server, entries[index] ?? []) ?? []));
    }
    this.#known.set(definition.runId, { version, samples });
    return samples;
  }
}
