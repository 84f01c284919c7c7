/** What the commands say about the documents that they used, whatever these come from. */
import { describe, expect, it } from 'vitest';
import { examine } from '../../src/engine/doctor.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { DocumentSource } from '../../src/ports/documents.ts';
import { CriuMover } from '../../src/movers/criu/criu-mover.ts';
import { SurgeMover } from '../../src/movers/surge.ts';
import { plan, playbook, Simulation, type Doors } from '../simulation/harness.ts';

const commit = '4f1c2ab07d1e5c3b9a8f6e4d2c1b0a9f8e7d6c5b';
const notice = 'commit 9abcdef is not used: plans/a.yaml:3:1 unknown key "x"; commit 4f1c2ab stays in use';

async function daemonWith(change: (documents: DocumentSource) => DocumentSource) {
  const simulation = new Simulation({
    seed: 1,
    servers: [{ name: 'a' }],
    workloads: [],
    plan: plan(),
    playbook: playbook(),
    tamper: (_daemon, doors) => ({ ...doors, documents: change(doors.documents) }),
  });
  return { simulation, daemon: await simulation.startDaemon('d') };
}

const broken: DocumentSource = {
  read: () => Promise.reject(new MaintenanceError('document/invalid', 'halt', 'plan.yaml:3:1 unknown key "x"')),
};

describe('documents that cannot be used', () => {
  it('are said once by doctor, and not again by a mover that needs them', async () => {
    const doors: Doors[] = [];
    const simulation = new Simulation({
      seed: 1,
      servers: [{ name: 'a' }],
      workloads: [],
      plan: plan(),
      playbook: playbook(),
      tamper: (_daemon, given) => {
        doors.push(given);
        return given;
      },
    });
    await simulation.startDaemon('d');
    const [door] = doors;
    if (!door) throw new Error('no daemon');
    const { cluster, objects } = door;
    const connections = {
      bmcOf: ({ name }: { name: string }) => door.bmcOf(name),
      shellOf: ({ name }: { name: string }) => door.shellOf(name),
    };
    const servers = async () => (await broken.read()).servers;
    const criu = new CriuMover({ cluster, objects, connections, clock: simulation.clock, servers });
    const world = { cluster, connections, movers: { criu, surge: new SurgeMover(cluster) } };
    const findings = await simulation.settle(examine(world, broken, () => Promise.resolve('memory')));
    expect(findings.filter(({ text }) => text.includes('unknown key "x"'))).toHaveLength(1);
    expect(findings.filter(({ area }) => area === 'movers')).toEqual([
      {
        area: 'movers',
        subject: 'movers',
        ok: true,
        text: 'surge always · not known until the documents are right: criu',
      },
    ]);
  });
});

describe('documents from Git', () => {
  it('a run pins the commit that it was made from, and every command says what is not in use', async () => {
    let current = commit;
    const { simulation, daemon } = await daemonWith((documents) => ({
      read: async () => ({ ...(await documents.read()), commit: current, notices: [notice] }),
    }));
    const { operations } = daemon;
    const preview = await simulation.settle(operations.preview('weekly'));
    expect([preview.definition.commit, preview.warnings[0]]).toEqual([commit, notice]);
    expect((await simulation.settle(operations.windows()))[0]?.notices).toEqual([notice]);
    const started = await simulation.settle(operations.start({ plan: 'weekly', by: 'anna' }));
    expect(started.notices).toEqual([notice]);
    current = '0000000000000000000000000000000000000000';
    expect((await simulation.settle(operations.run(started.runId))).commit).toBe(commit);
    await simulation.runToEnd();
    const history = await simulation.settle(operations.history({ runId: started.runId }));
    const created = history.find(({ event }) => event.kind === 'runCreated');
    expect(created?.event).toMatchObject({ definition: { commit } });
  });

  it('doctor names the commit in use, and what keeps a newer one out', async () => {
    const { simulation, daemon } = await daemonWith((documents) => ({
      read: async () => ({ ...(await documents.read()), commit, notices: [notice] }),
    }));
    const findings = await simulation.settle(daemon.operations.doctor());
    expect(findings.filter(({ area }) => area === 'documents')).toEqual([
      expect.objectContaining({ ok: true, text: 'commit 4f1c2ab · 1 plan · 1 playbook · 1 server' }),
      expect.objectContaining({ ok: false, text: notice }),
    ]);
  });

  it('doctor looks at everything else although no documents can be used', async () => {
    const { simulation, daemon } = await daemonWith(() => broken);
    const findings = await simulation.settle(daemon.operations.doctor());
    expect(findings.map(({ area, ok }) => [area, ok])).toEqual([
      ['documents', false],
      ['kubernetes', true],
      ['redis', true],
      ['movers', true],
    ]);
    expect(findings[0]).toMatchObject({ text: 'plan.yaml:3:1 unknown key "x"', code: 'document/invalid' });
  });
});
