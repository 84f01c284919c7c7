/** What `doctor` finds out about the Kubernetes API, and what it does not ask any more. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors/codes.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { pitcrewUser } from '../../src/simulator/kubernetes/access.ts';
import { SimulatedKubeVirt } from '../../src/simulator/migrators/kubevirt.ts';
import { SimulatedPaguro } from '../../src/simulator/migrators/paguro.ts';
import { plan, playbook, Simulation } from '../simulation/harness.ts';

const missing = [
  { verb: 'list', group: '', resource: 'nodes' },
  { verb: 'create', group: '', resource: 'pods', subresource: 'eviction' },
];

async function findingsWhere(code: ErrorCode, text: string) {
  const simulation = new Simulation({
    seed: 1,
    servers: [{ name: 'a' }],
    workloads: [],
    plan: plan(),
    playbook: playbook(),
    tamper: (_daemon, doors) => {
      doors.cluster.view = () => Promise.reject(new MaintenanceError(code, 'halt', text));
      doors.cluster.missingRights = () => Promise.resolve(missing);
      return doors;
    },
  });
  const daemon = await simulation.startDaemon('d');
  const findings = await simulation.settle(daemon.operations.doctor());
  return findings.filter(({ area }) => area === 'kubernetes').map((finding) => finding.text);
}

describe('doctor', () => {
  it('names every missing right even where the first of them keeps it from seeing the nodes', async () => {
    const texts = await findingsWhere('cluster/forbidden', 'nodes is forbidden');
    expect(texts).toEqual(['nodes is forbidden', 'missing: list nodes', 'missing: create pods/eviction']);
  });

  it('asks for no rights of an API that does not answer', async () => {
    expect(await findingsWhere('cluster/unreachable', 'connect ECONNREFUSED')).toEqual(['connect ECONNREFUSED']);
  });

  it('names the live movers that are there, with their versions and limits, and those that are not', async () => {
    const simulation = new Simulation({
      seed: 1,
      servers: [{ name: 'a' }, { name: 'b' }],
      workloads: [],
      plan: plan(),
      playbook: playbook(),
    });
    new SimulatedKubeVirt(simulation.world).addMachine({ name: 'vm', namespace: 'shop', node: 'a' });
    const paguro = new SimulatedPaguro(simulation.world);
    const { access } = paguro.api;
    const rules = access.rulesOf(pitcrewUser);
    access.grant(
      pitcrewUser,
      rules.filter(({ groups }) => !groups.includes('paguro.dev')),
    );
    const daemon = await simulation.startDaemon('d');
    const findings = await simulation.settle(daemon.operations.doctor());
    expect(findings.filter(({ area }) => area === 'movers')).toEqual([
      {
        area: 'movers',
        subject: 'movers',
        ok: true,
        text: 'surge, evict always · not there: castai (live.cast.ai is not served)',
      },
      {
        area: 'movers',
        subject: 'kubevirt',
        ok: true,
        text: 'v1.9.0, 1 machines, at once 2 per server and 5 in all',
      },
      expect.objectContaining({
        subject: 'paguro',
        ok: false,
        text: 'rights are missing: deploy/kubernetes/rbac-movers.yaml grants them',
      }),
    ]);
  });
});
