/** What `doctor` finds out about the Kubernetes API, and what it does not ask any more. */
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors/codes.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
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
});
