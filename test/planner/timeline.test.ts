import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { walk, type Timeline, type TimelineInput } from '../../src/planner/timeline.ts';
import { hourMs, ms, schedule, window } from '../schedule/schedules.ts';
import { definition, runServer, type RunShape } from '../workflow/fixtures.ts';

const minuteMs = 60_000;

function timeline(shape: RunShape, change: Partial<TimelineInput> = {}): Timeline {
  const takes = { ms: 10 * minuteMs, neededMs: 10 * minuteMs };
  return walk({ definition: definition(shape), startMs: 0, takes: () => takes, down: new Set(), ...change });
}

/** `a 0-10`: name, start and end in minutes. */
function minutes({ servers }: Timeline, sinceMs = 0): string[] {
  return servers.map(({ name, fromMs, toMs }) => {
    const at = (atMs: number): number => (atMs - sinceMs) / minuteMs;
    return `${name} ${at(fromMs)}-${at(toMs)}`;
  });
}

const wave = (servers: string[], soakMinutes = 0, approval = false) => ({
  servers,
  soakMs: soakMinutes * minuteMs,
  approval,
});

describe('the servers of a run in virtual time', () => {
  it('start as soon as the budget has a place', () => {
    const two = timeline({ maxUnavailable: 2 });
    expect(minutes(two)).toEqual(['a 0-10', 'b 0-10', 'c 10-20', 'd 10-20']);
    expect(two.waves).toMatchObject([{ atOnce: 2, limit: { kind: 'budget', max: 2 }, span: { fromMs: 0 } }]);
    expect(two.stuck).toBeUndefined();
  });

  it('take each their own time, and the next one starts when the first one ends', () => {
    const lengths: Record<string, number> = { a: 30, b: 10, c: 10, d: 5 };
    const takes: TimelineInput['takes'] = ({ name }) => ({ ms: (lengths[name] ?? 0) * minuteMs, neededMs: 0 });
    expect(minutes(timeline({ maxUnavailable: 2 }, { takes }))).toEqual(['a 0-30', 'b 0-10', 'c 10-20', 'd 20-25']);
  });

  it('wait for the wave before them, and for its soak; an approval is taken to be given at once', () => {
    const waves = [wave(['a'], 30, true), wave(['b', 'c'], 5), wave(['d'], 60)];
    const walked = timeline({ waves, maxUnavailable: 2 });
    expect(minutes(walked)).toEqual(['a 0-10', 'b 40-50', 'c 40-50', 'd 55-65']);
    expect(walked.waves.map(({ atOnce, limit }) => [atOnce, limit?.kind])).toEqual([
      [1, undefined],
      [2, undefined],
      [1, undefined],
    ]);
  });

  it('of two failure domains are never at work together', () => {
    const servers = [runServer('a', 'z1'), runServer('b', 'z2'), runServer('c', 'z1'), runServer('d')];
    const walked = timeline({ servers, maxUnavailable: 4 });
    expect(minutes(walked)).toEqual(['a 0-10', 'c 0-10', 'b 10-20', 'd 20-30']);
    expect(walked.waves[0]?.limit).toMatchObject({ kind: 'domain' });
  });

  it('that are down already need no place, and give free the one they take', () => {
    const walked = timeline({ maxUnavailable: 1 }, { down: new Set(['c']) });
    expect(minutes(walked)).toEqual(['c 0-10', 'a 10-20', 'b 20-30', 'd 30-40']);
  });

  it('start one after the other where their pods would find no room together', () => {
    const refuses = (_: string, besides: ReadonlySet<string>) => (besides.size > 0 ? 'no room' : undefined);
    const walked = timeline({ maxUnavailable: 4 }, { refuses });
    expect(minutes(walked)).toEqual(['a 0-10', 'b 10-20', 'c 20-30', 'd 30-40']);
    expect(walked.waves[0]?.limit).toEqual({ kind: 'capacity', server: 'b', because: 'no room' });
  });

  it('that can never start are named by what keeps them from it, and nothing starts after them', () => {
    const waves = [wave(['a', 'b']), wave(['c', 'd'])];
    const refuses = (server: string) => (server === 'b' ? 'no room for shop/db' : undefined);
    const walked = timeline({ waves, maxUnavailable: 4 }, { refuses });
    expect(minutes(walked)).toEqual(['a 0-10']);
    expect(walked.stuck).toEqual({ kind: 'capacity', server: 'b', because: 'no room for shop/db' });
    expect(timeline({ maxUnavailable: 0 }).stuck).toMatchObject({ kind: 'budget', max: 0 });
  });

  it('that were left out have no part in it', () => {
    const servers = ['a', 'b', 'c'].map((name) => ({
      ...runServer(name),
      leftOut: name === 'b' ? { because: 'x', owner: '' } : undefined,
    }));
    expect(minutes(timeline({ servers }))).toEqual(['a 0-10', 'c 10-20']);
  });
});

describe('windows', () => {
  const weekly = schedule([window('0 22 * * SAT', 2)]);
  const opensMs = ms('2026-11-28T21:00Z');
  const weekMs = 7 * 24 * hourMs;
  const planned = (maxUnavailable: number): TimelineInput['definition'] => ({
    ...definition({ maxUnavailable }),
    schedule: weekly,
  });

  it('keep servers waiting until they open, and from starting where they would not end in time', () => {
    const takes = (): { ms: number; neededMs: number } => ({ ms: 40 * minuteMs, neededMs: 50 * minuteMs });
    const walked = timeline({}, { definition: planned(1), takes, startMs: opensMs - hourMs });
    expect(minutes(walked, opensMs)).toEqual([
      'a 0-40',
      'b 40-80',
      `c ${weekMs / minuteMs}-${weekMs / minuteMs + 40}`,
      `d ${weekMs / minuteMs + 40}-${weekMs / minuteMs + 80}`,
    ]);
  });

  it('let a shorter server go where a longer one no longer fits', () => {
    const takes: TimelineInput['takes'] = ({ name }) => {
      const length = name === 'b' ? 90 * minuteMs : 40 * minuteMs;
      return { ms: length, neededMs: length };
    };
    const walked = timeline({}, { definition: planned(1), takes, startMs: opensMs });
    expect(walked.servers.map(({ name }) => name)).toEqual(['a', 'c', 'd', 'b']);
    expect(walked.servers.at(-1)?.fromMs).toBe(opensMs + weekMs);
  });

  it('that are all too short start nothing, ever', () => {
    const takes = (): { ms: number; neededMs: number } => ({ ms: 1, neededMs: 3 * hourMs });
    const walked = timeline({}, { definition: planned(1), takes, startMs: opensMs });
    expect(walked.servers).toEqual([]);
    expect(walked.stuck).toEqual({ kind: 'window' });
  });
});

interface Fleet {
  readonly domains: readonly string[];
  readonly lengths: readonly number[];
  readonly maxUnavailable: number;
  readonly maxParallel: number;
  readonly sizes: readonly number[];
}

const fleets: fc.Arbitrary<Fleet> = fc.record({
  domains: fc.array(fc.constantFrom('', 'z1', 'z2'), { minLength: 1, maxLength: 25 }),
  lengths: fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 }),
  maxUnavailable: fc.integer({ min: 1, max: 8 }),
  maxParallel: fc.integer({ min: 1, max: 8 }),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
});

function walkFleet({ domains, lengths, maxUnavailable, maxParallel, sizes }: Fleet): Timeline {
  const servers = domains.map((domain, index) => runServer(`s${index}`, domain));
  const names = servers.map(({ name }) => name);
  const waves = [...sizes, names.length].map((size) => wave(names.splice(0, size), 3)).filter((one) => one.servers[0]);
  const takes: TimelineInput['takes'] = ({ name }) => {
    const length = lengths[Number(name.slice(1)) % lengths.length] ?? 1;
    return { ms: length * minuteMs, neededMs: 0 };
  };
  return timeline({ servers, waves, maxUnavailable, maxParallel }, { takes });
}

describe('for any fleet', () => {
  it('every server runs once, and budget, parallel limit and domains are never exceeded', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const { servers } = walkFleet(fleet);
        expect(servers.map(({ name }) => name).sort()).toEqual(fleet.domains.map((_, index) => `s${index}`).sort());
        for (const { fromMs } of servers) {
          const together = servers.filter((one) => one.fromMs <= fromMs && fromMs < one.toMs);
          expect(together.length).toBeLessThanOrEqual(Math.min(fleet.maxUnavailable, fleet.maxParallel));
          expect(new Set(together.map(({ name }) => fleet.domains[Number(name.slice(1))])).size).toBe(1);
        }
      }),
    );
  });

  it('no place is left empty while somebody could start', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        const plain = { ...fleet, domains: fleet.domains.map(() => ''), sizes: [] };
        const { servers } = walkFleet(plain);
        const atOnce = Math.min(fleet.maxUnavailable, fleet.maxParallel);
        const work = servers.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
        const longest = Math.max(...servers.map(({ fromMs, toMs }) => toMs - fromMs));
        // Graham's bound for lists: never more than the even share and one longest job.
        expect(Math.max(...servers.map(({ toMs }) => toMs))).toBeLessThanOrEqual(work / atOnce + longest);
      }),
    );
  });
});

describe('large fleets', () => {
  it('take about as much longer as they are larger', () => {
    const walkOf = (size: number): void => {
      const servers = Array.from({ length: size }, (_, index) => runServer(`s${String(index).padStart(5, '0')}`));
      const takes: TimelineInput['takes'] = ({ name }) => ({ ms: 60_000 + Number(name.slice(1)) * 7, neededMs: 0 });
      const shape = { servers, maxUnavailable: 50, maxParallel: 50 };
      expect(timeline(shape, { takes }).servers).toHaveLength(size);
    };
    // Work of this thread alone, and as much of it on either side: where others use the machine, a short walk gets through
    // between them and a long one never does, so the clock on the wall compares the load and not the walks.
    const workOf = (sizes: readonly number[]): number => {
      const before = process.threadCpuUsage();
      for (const size of sizes) walkOf(size);
      const { user, system } = process.threadCpuUsage(before);
      return user + system;
    };
    walkOf(500);
    const small = Array.from({ length: 8 }, () => 1_000);
    // As many servers in one fleet as in eight; what is quadratic would take eight times as long, however often it is tried.
    let least = Number.POSITIVE_INFINITY;
    for (let tries = 0; tries < 6 && least >= 4; tries += 1) least = Math.min(least, workOf([8_000]) / workOf(small));
    expect(least).toBeLessThan(4);
  });
});
