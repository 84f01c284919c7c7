import { array as arrays, assert, integer, property, record, constantFrom } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { NodeView } from '../../src/cluster/node.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { assembleRun, assembleSingle } from '../../src/planner/assemble.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import { plan, playbook } from '../simulation/harness.ts';
import { runServer } from '../workflow/fixtures.ts';

function node(name: string, zone?: string): NodeView {
  return {
    name,
    uid: name,
    labels: zone === undefined ? {} : { zone },
    cordon: { kind: 'none' },
    ready: true,
    bootId: 'b',
    kernelVersion: 'k',
    taints: [],
    allocatable: { cpuMillis: 1, memoryBytes: 1, pods: 1, others: {} },
    volumesInUse: [],
  };
}

function assemble(
  names: readonly (readonly [name: string, zone?: string])[],
  spec: Record<string, unknown> = {},
): RunDefinition {
  return assembleRun({
    plan: plan(spec),
    playbook: playbook(),
    servers: names.map(([name]) => ({ ...runServer(name), labels: { role: 'worker' } })),
    nodes: names.map(([name, zone]) => node(name, zone)),
    digest: 'd',
    runId: 'r',
    startedBy: 'me',
  });
}

const ten = Array.from({ length: 10 }, (_, index) => [`s${index}`] as const);

describe('the time that a run waits while nothing can start', () => {
  it('is what the plan says, and left open where it says nothing', () => {
    expect(assemble([['a']], { rollout: { waitTimeout: '90m' } }).waitTimeoutMs).toBe(90 * 60_000);
    expect(assemble([['a']]).waitTimeoutMs).toBeUndefined();
  });
});

describe('waves', () => {
  it('have sizes, not totals; percentages are of all targets; what is left over forms a last wave', () => {
    const run = assemble(ten, {
      rollout: { waves: [{ servers: 1, soak: '10m', approval: 'required' }, { servers: '25%' }] },
    });
    expect(run.waves.map((wave) => wave.servers.length)).toEqual([1, 2, 7]);
    expect(run.waves[0]).toEqual({ servers: ['s0'], soakMs: 600_000, approval: true });
    expect(run.waves[2]).toMatchObject({ soakMs: 0, approval: false });
  });

  it('are never empty, however many the plan names', () => {
    const run = assemble([['a'], ['b']], {
      rollout: { waves: [{ servers: 5 }, { servers: '50%' }, { servers: '100%' }] },
    });
    expect(run.waves.map((wave) => wave.servers)).toEqual([['a', 'b']]);
  });

  it('go domain by domain, servers without one last, and do not depend on the order of the input', () => {
    const fleet = [['d', 'z2'], ['a'], ['c', 'z1'], ['b', 'z2']] as const;
    const shape = { rollout: { failureDomain: 'zone', waves: [{ servers: 1 }] } };
    const waves = assemble(fleet, shape).waves.map((wave) => wave.servers);
    expect(waves).toEqual([['c'], ['b', 'd', 'a']]);
    expect(assemble([...fleet].reverse(), shape).waves.map((wave) => wave.servers)).toEqual(waves);
  });

  it('hold every target exactly once, for any fleet and any sizes', () => {
    const size = record({ servers: integer({ min: 0, max: 7 }) });
    const percent = record({ servers: constantFrom('0%', '1%', '10%', '50%', '100%') });
    assert(
      property(
        integer({ min: 1, max: 20 }),
        arrays(size, { maxLength: 4 }),
        arrays(percent, { maxLength: 3 }),
        (count, sizes, percents) => {
          const fleet = Array.from({ length: count }, (_, index) => [`s${String(index).padStart(2, '0')}`] as const);
          const waves = [...sizes, ...percents];
          const run = assemble(fleet, waves.length === 0 ? {} : { rollout: { waves } });
          expect(run.waves.flatMap((wave) => wave.servers).sort()).toEqual(fleet.map(([name]) => name));
          expect(run.waves.every((wave) => wave.servers.length > 0)).toBe(true);
        },
      ),
    );
  });
});

describe('budgets', () => {
  it.each([
    [undefined, 1],
    [3, 3],
    ['25%', 2],
    ['1%', 1],
    ['0%', 0],
    [0, 0],
  ])('maxUnavailable %s of ten is %s', (maxUnavailable, expected) => {
    const run = assemble(ten, { rollout: maxUnavailable === undefined ? {} : { maxUnavailable } });
    expect(run.maxUnavailable).toBe(expected);
  });

  it('lets as many run at once as may be unavailable, unless the plan says fewer', () => {
    expect(assemble(ten, { rollout: { maxUnavailable: 4 } }).maxParallel).toBe(4);
    expect(assemble(ten, { rollout: { maxUnavailable: 4, maxParallel: 2 } }).maxParallel).toBe(2);
  });

  it('halts after the first failure, unless the plan says otherwise', () => {
    expect(assemble(ten).haltAfter).toEqual({ failures: 1, consecutive: undefined });
  });
});

describe('targets', () => {
  it('are those that match and are not excluded', () => {
    const run = assemble(ten, { targets: { matchLabels: { role: 'worker' }, exclude: ['s3', 's4'] } });
    expect(run.servers.map((server) => server.name)).not.toContain('s3');
    expect(run.servers).toHaveLength(8);
  });

  it('that Kubernetes does not know are refused by name', () => {
    const wrong = (): unknown =>
      assembleRun({
        plan: plan(),
        playbook: playbook(),
        servers: [{ ...runServer('a'), labels: { role: 'worker' } }],
        nodes: [],
        digest: '',
        runId: 'r',
        startedBy: 'me',
      });
    expect(wrong).toThrow(MaintenanceError);
    expect(wrong).toThrow('Kubernetes has no node named a');
  });
});

describe('the program', () => {
  it('goes prepare, cordon, evacuate, the service as written, rejoin, verify, return', () => {
    const kinds = assemble(ten).program.map((step) => step.id);
    expect(kinds).toEqual(['prepare', 'cordon', 'evacuate', 'service-1', 'reboot-2', 'rejoin', 'verify', 'return']);
  });

  it('of a single evacuation ends with the server empty, that of a return waits for the same boot on both sides first', () => {
    const server = runServer('a');
    const ids = (purpose: 'evacuate' | 'return'): string[] =>
      assembleSingle({ purpose, server, runId: 'r', startedBy: 'me' }).program.map((step) => step.id);
    expect(ids('evacuate')).toEqual(['prepare', 'cordon', 'evacuate']);
    expect(ids('return')).toEqual(['rejoin', 'return']);
  });
});
