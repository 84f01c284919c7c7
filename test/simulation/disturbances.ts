/**
 * Life beside the engine, drawn from a seed: people who ask for things at bad moments, others who cordon nodes and pull
 * plugs, stores and wires that fail for a while. Everything that was taken away is given back in the end, and somebody looks
 * after what waits for a person, so that every run can end.
 */
import { ownerAnnotation } from '../../src/cluster/node.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { Operations } from '../../src/engine/operations.ts';
import { ApiClient } from '../../src/simulator/cluster-client.ts';
import { adminUser } from '../../src/simulator/kubernetes/access.ts';
import { kinds } from '../../src/simulator/kubernetes/kinds.ts';
import { buildWorkload } from '../../src/simulator/workloads.ts';
import type { Machine } from '../../src/simulator/machine.ts';
import type { Checker } from './checker.ts';
import type { Drawn } from './draw.ts';
import { mustHave, type Simulation } from './harness.ts';

const minuteMs = 60_000;
/** Within this time things happen; afterwards they only come right again. */
const horizonMs = 75 * minuteMs;

/** So often somebody comes by, every five minutes, before they give the run up. */
const patienceVisits = 72;

export class Disturbances {
  /** What somebody was answered that is no answer. */
  readonly errors: unknown[] = [];
  /** What happened how often. */
  readonly counts: Record<string, number> = {};
  isOver = false;
  readonly #drawn: Drawn;
  readonly #simulation: Simulation;
  readonly #checker: Checker;
  readonly #people: Operations;
  readonly #runId: string;

  constructor(drawn: Drawn, checker: Checker, people: Operations, runId: string) {
    this.#drawn = drawn;
    this.#checker = checker;
    this.#simulation = checker.simulation;
    this.#people = people;
    this.#runId = runId;
  }

  /** Plans everything that will happen, so that the order in which things are drawn never depends on what they lead to. */
  begin(): void {
    const { chance, between, random } = this.#drawn;
    const isQuiet = chance(0.3);
    if (isQuiet) {
      void this.#comeRight(0);
      return;
    }
    const acts: readonly [most: number, act: () => () => void | Promise<void>][] = [
      [5, () => this.#drawPerson()],
      [2, () => this.#drawCordon()],
      [2, () => this.#drawUncordon()],
      [2, () => this.#drawStrayPod()],
      [1, () => this.#drawPower()],
      [2, () => this.#drawSilence()],
      [2, () => this.#drawJournal()],
      [2, () => this.#drawLease()],
    ];
    for (const [most, draw] of acts) {
      const count = chance(0.5) ? 0 : between(1, most);
      // Most runs are short: more happens early than late.
      for (let nth = 0; nth < count; nth += 1) this.#at(Math.round(between(0, horizonMs) * random.next()), draw());
    }
    if (chance(0.3)) this.#breakUnits();
    void this.#comeRight(horizonMs + 20 * minuteMs);
  }

  #at(delayMs: number, act: () => void | Promise<void>): void {
    const attempt = async (): Promise<void> => {
      await this.#simulation.clock.sleep(delayMs);
      try {
        await act();
      } catch (error) {
        // Being refused is what happens to people; an error without a class is not.
        if (!(error instanceof MaintenanceError)) this.errors.push(error);
      }
    };
    void attempt();
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  #server(): string {
    const { inventory } = this.#simulation;
    return mustHave(inventory[this.#drawn.between(0, inventory.length - 1)]).name;
  }

  #machine(server: string): Machine {
    return mustHave(this.#simulation.world.machines.get(server));
  }

  #drawPerson(): () => Promise<void> {
    const [runId, people, server] = [this.#runId, this.#people, this.#server()];
    const wishes: readonly [string, () => Promise<void>][] = [
      ['pause', () => people.pause(runId, 'ann')],
      ['pause', () => people.pause(runId, 'ann')],
      ['resume', () => people.resume(runId, 'bob')],
      ['approve', () => people.approve(runId, 'bob')],
      ['retry', () => people.retry(runId, server, 'ann')],
      ['retry', () => people.retry(runId, server, 'ann')],
      ['skip', () => people.skip(runId, server, 'cem')],
      ['stop', () => people.stop(runId, 'cem')],
    ];
    const [wish, act] = mustHave(wishes[this.#drawn.between(0, wishes.length - 1)]);
    return async () => {
      await act();
      this.#count(wish);
    };
  }

  #cordoned(server: string): { isCordoned: boolean; owner: string | undefined } {
    const node = this.#simulation.world.api.store.get(kinds.nodes, undefined, server);
    return {
      isCordoned: node?.spec.unschedulable === true,
      owner: node?.metadata.annotations?.[ownerAnnotation],
    };
  }

  #setCordon(server: string, unschedulable: true | null): void {
    const admin = new ApiClient(this.#simulation.world.api, adminUser);
    admin.patch(`/api/v1/nodes/${server}`, 'merge', { spec: { unschedulable } });
  }

  /** Only a node without our name on it: under our name nobody could tell one cordon from the other. */
  #drawCordon(): () => void {
    const [server, forMs] = [this.#server(), this.#drawn.between(1, 40) * minuteMs];
    return () => {
      const { isCordoned, owner } = this.#cordoned(server);
      if (isCordoned || owner !== undefined) return;
      this.#checker.foreignCordons.add(server);
      this.#setCordon(server, true);
      this.#count('foreign cordon');
      this.#at(forMs, () => {
        this.#checker.foreignCordons.delete(server);
        if (this.#cordoned(server).owner === undefined) this.#setCordon(server, null);
      });
    };
  }

  /** `kubectl uncordon` by somebody who does not look whose cordon it is. */
  #drawUncordon(): () => void {
    const pick = this.#drawn.random.next();
    return () => {
      const ours = this.#ours();
      const server = ours[Math.floor(pick * ours.length)];
      if (server === undefined) return;
      this.#setCordon(server, null);
      this.#count('foreign uncordon');
    };
  }

  /** Somebody binds a pod to a node by name, past scheduler and cordon, and takes it away again later. */
  #drawStrayPod(): () => void {
    const [pick, forMs] = [this.#drawn.random.next(), this.#drawn.between(10, 900) * 1_000];
    return () => {
      const ours = this.#ours();
      const node = ours[Math.floor(pick * ours.length)];
      if (node === undefined) return;
      this.#count('stray pod');
      const name = `stray-${this.counts['stray pod']}`;
      const { api } = this.#simulation.world;
      buildWorkload(api.registry, { kind: 'pod', name, node });
      this.#at(forMs, () => {
        new ApiClient(api, adminUser).ask('DELETE', `/api/v1/namespaces/default/pods/${name}`);
      });
    };
  }

  /** Servers that a run has cordoned just now. */
  #ours(): string[] {
    const names = this.#simulation.inventory.map(({ name }) => name);
    return names.filter((name) => this.#cordoned(name).isCordoned && this.#cordoned(name).owner !== undefined);
  }

  #drawPower(): () => void {
    const [server, forMs, isReboot] = [this.#server(), this.#drawn.between(0, 30 * minuteMs), this.#drawn.chance(0.4)];
    return () => {
      const machine = this.#machine(server);
      this.#count('foreign power');
      if (isReboot) {
        this.#checker.noteForeignBoot(server, 'boot');
        machine.requestReboot();
        return;
      }
      // Whoever switches it on again, this person or the engine at work there: one more power-on is theirs to answer for.
      if (machine.power === 'on') this.#checker.noteForeignBoot(server, 'powerOn');
      machine.setPower('off');
      this.#at(forMs, () => machine.setPower('on'));
    };
  }

  /** The way to a server, or to its BMC, is gone for a while: connections drop in the middle of commands. */
  #drawSilence(): () => void {
    const [server, forMs] = [this.#server(), this.#drawn.between(1, 300) * 1_000];
    const fault = this.#drawn.chance(0.5) ? 'sshHangs' : 'bmcSilent';
    return () => {
      const { faults } = this.#machine(server);
      if (faults[fault]) return;
      faults[fault] = true;
      this.#count(fault);
      this.#at(forMs, () => void (faults[fault] = false));
    };
  }

  #drawJournal(): () => void {
    const { faults } = this.#simulation.journal;
    const times = this.#drawn.between(1, 30);
    const isLost = this.#drawn.chance(0.5);
    return () => {
      this.#count(isLost ? 'answer lost' : 'journal unreachable');
      if (isLost) faults.loseAnswerTimes = 1;
      else faults.unreachableTimes = times;
    };
  }

  /** Some lease runs out under its holder: a store that forgot, a clock that jumped. */
  #drawLease(): () => void {
    const { table } = this.#simulation;
    const pick = this.#drawn.random.next();
    const noticedAfterMs = this.#drawn.chance(0.5) ? this.#drawn.between(1, 5_000) : 0;
    return () => {
      const names = Object.keys(table.holders());
      const name = names[Math.floor(pick * names.length)];
      if (name === undefined) return;
      this.#count('lease lost');
      if (noticedAfterMs > 0) this.#checker.noteLateNotice(name, noticedAfterMs);
      table.expire(name, noticedAfterMs);
    };
  }

  /** Some services do not come up with the system, and are mended after a while. */
  #breakUnits(): void {
    for (const machine of this.#simulation.world.machines.values()) {
      const fates = Array.from({ length: 8 }, () => ({
        breaks: this.#drawn.chance(0.4),
        forMs: this.#drawn.between(5, 600) * 1_000,
      }));
      let boots = machine.boots;
      machine.onChange(() => {
        if (machine.boots === boots) return;
        boots = machine.boots;
        const fate = fates[boots % fates.length];
        if (!fate?.breaks) return;
        machine.failedUnits = ['broken.service'];
        this.#count('unit failed');
        this.#at(fate.forMs, () => void (machine.failedUnits = []));
      });
    }
  }

  /** Somebody comes by now and then and sees to what waits for a person. */
  async #comeRight(afterMs: number): Promise<void> {
    const { clock } = this.#simulation;
    await clock.sleep(afterMs);
    this.isOver = true;
    for (let visits = 0; visits < 200; visits += 1) {
      if (this.#simulation.hasEnded) return;
      await this.#tidy(() => this.#people.resume(this.#runId, 'dee'));
      await this.#tidy(() => this.#people.approve(this.#runId, 'dee'));
      // A server that is down for good keeps the others waiting for as long as anybody wants to wait.
      if (visits >= patienceVisits) await this.#tidy(() => this.#people.stop(this.#runId, 'dee'));
      await clock.sleep(5 * minuteMs);
    }
  }

  async #tidy(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (!(error instanceof MaintenanceError)) this.errors.push(error);
    }
  }
}
