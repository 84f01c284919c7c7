/**
 * Bad input over the real command line: each with a text that says what is wrong, the right exit code, and nothing
 * changed in the world: no cordon, no eviction, no boot.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pitcrewUser, type Rule } from '../../src/simulator/kubernetes/access.ts';
import type { Ended } from './daemon.ts';
import { Installation, planName, planText, quickServers, type WorldTraces } from './installation.ts';

/** Without the line breaks that fit it to a terminal. */
function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

let installation: Installation;
let before: WorldTraces;

beforeAll(async () => {
  installation = await Installation.start({ servers: quickServers(3) });
  await installation.startDaemon();
  before = installation.traces();
}, 120_000);
afterAll(async () => await installation.stop(), 60_000);

function expectNothingChanged(): void {
  expect(before).toMatchObject({ evictions: 0, cordonedNow: [], boots: { 'node-1': 0, 'node-2': 0, 'node-3': 0 } });
  expect(installation.traces()).toEqual(before);
}
afterEach(() => expectNothingChanged());

/** Both doors: the check without a daemon, and the daemon that is asked for a run. Each with its exit code. */
async function tryDocuments(plan = planName): Promise<{ validate: Ended; start: Ended }> {
  const validate = await installation.pitcrew(['validate', installation.documents, installation.lab.inventoryFolder]);
  const start = await installation.pitcrew(['start', plan]);
  return { validate, start };
}

const spec = { playbook: 'kernel-update', targets: { matchLabels: { role: 'worker' } } };

const planOf = (more: Readonly<Record<string, unknown>>): string => planText('bad', { ...spec, ...more });

async function labBmc(name: string): Promise<{ address: string; port: number }> {
  const endpoint = installation.lab.bmcs.endpoints.get(name);
  if (!endpoint) throw new Error(`no BMC of ${name}`);
  return endpoint;
}

describe('documents', () => {
  const written: string[] = [];
  /** Beside the good ones, taken away after the test. */
  async function write(name: string, text: string): Promise<void> {
    const file = path.join(installation.documents, name);
    written.push(file);
    await writeFile(file, text);
  }
  afterEach(async () => {
    for (const file of written.splice(0)) await rm(file, { force: true });
    // Else the next refusal would prove nothing.
    const healthy = await installation.pitcrew(['plan', planName]);
    if (healthy.code !== 0) throw new Error(`the documents are still bad: ${healthy.stderr}`);
  });

  async function addServer(entry: string): Promise<void> {
    const text = `apiVersion: pitcrew.dev/v1
kind: Inventory
metadata: { name: more }
spec:
  defaults:
    ssh: { user: root, privateKey: { file: /etc/key } }
    bmc: { user: admin, password: { file: /etc/password } }
  servers:
    - ${entry}
`;
    await write('more.yaml', text);
  }

  it.each<[string, () => Promise<void>, RegExp]>([
    [
      'malformed YAML',
      () => write('bad.yaml', 'apiVersion: pitcrew.dev/v1\nkind: MaintenancePlan\nmetadata: { name: bad\nspec: [\n'),
      /bad\.yaml:\d+:\d+/,
    ],
    [
      'an unknown key',
      () => write('bad.yaml', planOf({ rolout: { maxUnavailable: 1 } })),
      /bad\.yaml:\d+:\d+.*rolout/s,
    ],
    [
      'an unknown server',
      () => write('bad.yaml', planOf({ targets: { ...spec.targets, exclude: ['node-77'] } })),
      /bad\.yaml:\d+:\d+.*node-77/s,
    ],
    [
      'a duplicate server',
      () => addServer('{ name: node-1, address: 10.0.0.1, bmc: { address: 10.0.0.2 } }'),
      /node-1/,
    ],
    [
      'a duplicate BMC address',
      async () => {
        const { address, port } = await labBmc('node-1');
        await addServer(`{ name: node-9, address: 10.0.0.1, bmc: { address: ${address}, port: ${port} } }`);
      },
      /node-9.*BMC|BMC.*node-9/s,
    ],
    [
      'a playbook without its parameter',
      async () => {
        const needy = await readFile(path.join(installation.documents, 'kernel-update.yaml'), 'utf8');
        const text = needy
          .replace('name: kernel-update', 'name: needy')
          .replace('      default: linux-image-amd64\n', '');
        await write('needy.yaml', text);
        await write('bad.yaml', planOf({ playbook: 'needy' }));
      },
      /bad\.yaml:\d+:\d+.*package/s,
    ],
    [
      'a selector that matches nothing',
      () => write('bad.yaml', planOf({ targets: { matchLabels: { role: 'nobody' } } })),
      /bad\.yaml:\d+:\d+/,
    ],
    [
      'a literal password',
      () => addServer('{ name: node-9, address: 10.0.0.1, bmc: { address: 10.0.0.2, password: literally-hunter2 } }'),
      /more\.yaml:\d+:\d+.*password/s,
    ],
  ])(
    '%s: refused with its place, exit code 3',
    async (_what, make, wanted) => {
      await make();
      const { validate, start } = await tryDocuments('bad');
      const said = validate.stdout + validate.stderr;
      expect({ code: validate.code, said }).toEqual({ code: 3, said: expect.stringMatching(wanted) as string });
      expect({ code: start.code, said: start.stderr }).toEqual({
        code: 3,
        said: expect.stringMatching(wanted) as string,
      });
      expect(start.stdout).toBe('');
      // What was a secret by mistake is not repeated to everybody.
      expect(said + start.stderr).not.toContain('literally-hunter2');
      expect(said + start.stderr).not.toContain('a bug in pitcrew');
    },
    60_000,
  );
});

const readable = ({ code, stdout, stderr }: Ended): Ended => ({ code, stdout: flat(stdout), stderr: flat(stderr) });

/** A run that cannot come far, followed to its end. */
async function doctorAndRun(): Promise<{ doctor: Ended; run: Ended }> {
  const doctor = await installation.pitcrew(['doctor']);
  const run = await installation.pitcrew(['start', planName, '--watch']);
  return { doctor: readable(doctor), run: readable(run) };
}

describe('what only shows when a server is reached', () => {
  it('an unreadable key file: doctor and run say which, exit code 1', async () => {
    const file = installation.lab.ssh.privateKeyFile;
    const key = await readFile(file, 'utf8');
    await rm(file);
    try {
      const { doctor, run } = await doctorAndRun();
      expect(doctor).toMatchObject({
        code: 1,
        stdout: expect.stringContaining(`${file} cannot be read (ENOENT)`) as string,
      });
      expect(run).toMatchObject({ code: 1, stdout: expect.stringContaining('cannot be read (ENOENT)') as string });
    } finally {
      await writeFile(file, key, { mode: 0o600 });
    }
  }, 120_000);

  it('a key file that everybody may read: refused as if it were none', async () => {
    const file = installation.lab.ssh.privateKeyFile;
    const key = await readFile(file, 'utf8');
    await rm(file);
    await writeFile(file, key, { mode: 0o644 });
    try {
      const { doctor, run } = await doctorAndRun();
      expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/mode 0?644/) as string });
      expect(doctor.stdout).toContain('chmod 600');
      expect(run.code).toBe(1);
    } finally {
      await rm(file);
      await writeFile(file, key, { mode: 0o600 });
    }
  }, 120_000);

  it('a wrong BMC password: doctor and run say whose, exit code 1', async () => {
    const file = path.join(installation.folder, 'lab', 'bmc-password');
    const password = await readFile(file, 'utf8');
    await writeFile(file, 'not-the-password');
    try {
      const { doctor, run } = await doctorAndRun();
      expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/node-1.*password/s) as string });
      expect(doctor.stdout).toContain('correct the password reference of this server in the inventory');
      expect(run).toMatchObject({ code: 1, stdout: expect.stringMatching(/password/) as string });
      expect(doctor.stdout + doctor.stderr + run.stdout + run.stderr).not.toContain('not-the-password');
    } finally {
      await writeFile(file, password, { mode: 0o600 });
    }
  }, 120_000);

  it('a wrong host key: doctor and run say whose, exit code 1', async () => {
    const file = installation.lab.knownHostsFile;
    const text = await readFile(file, 'utf8');
    const lines = text.trim().split('\n');
    // Every server has the key of the next one: as if they had been mixed up.
    const [places, keys] = [
      lines.map((line) => line.split(' ')[0]),
      lines.map((line) => line.split(' ').slice(1).join(' ')),
    ];
    const mixed = places.map((place, index) => `${place} ${keys[(index + 1) % keys.length]}\n`);
    await writeFile(file, mixed.join(''));
    // The connections that are open were checked when they were opened.
    const daemon = installation.daemons.at(-1);
    await daemon?.stop();
    await installation.startDaemon();
    try {
      const { doctor, run } = await doctorAndRun();
      expect(doctor).toMatchObject({ code: 1, stdout: expect.stringMatching(/node-1.*host key/s) as string });
      expect(doctor.stdout).toContain('compare the host key by another way');
      expect(run).toMatchObject({ code: 1, stdout: expect.stringMatching(/host key/) as string });
    } finally {
      await writeFile(file, text);
    }
  }, 120_000);
});

describe('Kubernetes rights that are missing', () => {
  let rules: readonly Rule[];
  beforeEach(() => (rules = installation.lab.world.api.access.rulesOf(pitcrewUser)));
  afterEach(() => installation.lab.world.api.access.grant(pitcrewUser, rules));

  const rights: [verb: string, resource: string][] = [
    ['patch', 'nodes'],
    ['patch', 'nodes/status'],
    ['list', 'pods'],
    ['watch', 'pods'],
    ['patch', 'pods'],
    ['create', 'pods/eviction'],
    ['list', 'replicasets'],
    ['get', 'deployments'],
    ['list', 'poddisruptionbudgets'],
    ['list', 'volumeattachments'],
    ['update', 'leases'],
    ['create', 'events'],
  ];

  function takeAway(verb: string, resource: string): void {
    const { access } = installation.lab.world.api;
    const left = rules.flatMap((rule): Rule[] => {
      if (!rule.resources.includes(resource) || !rule.verbs.includes(verb)) return [rule];
      const others = rule.resources.filter((name) => name !== resource);
      return [
        { ...rule, resources: others },
        { ...rule, resources: [resource], verbs: rule.verbs.filter((name) => name !== verb) },
      ];
    });
    access.grant(pitcrewUser, left);
    expect(left).not.toEqual(rules);
  }

  it('are named one by one by doctor, exit code 1', async () => {
    for (const [verb, resource] of rights) {
      takeAway(verb, resource);
      const { code, stdout } = await installation.pitcrew(['doctor']);
      const named = [...flat(stdout).matchAll(/missing: (\S+ \S+)/g)].map((match) => match[1]);
      expect({ code, named }).toEqual({ code: 1, named: [`${verb} ${resource}`] });
      expect(stdout).toContain('deploy/kubernetes/rbac.yaml');
    }
  }, 180_000);

  it('are all named where all are missing, also by a daemon that starts without them', async () => {
    installation.lab.world.api.access.grant(pitcrewUser, rules.slice(0, 1));
    const daemon = installation.daemons.at(-1);
    await daemon?.stop();
    await installation.startDaemon();
    const { code, stdout } = await installation.pitcrew(['doctor']);
    const named = [...flat(stdout).matchAll(/missing: (\S+ \S+)/g)].map((match) => match[1]);
    expect(code).toBe(1);
    expect(named).toEqual(expect.arrayContaining(rights.map((right) => right.join(' '))));
    const start = await installation.pitcrew(['start', planName]);
    expect(start).toMatchObject({ code: 4, stdout: '' });
    expect(start.stderr).toContain('cluster/forbidden');
  }, 180_000);
});

describe('the command line', () => {
  it('a password on the command line is refused, exit code 2', async () => {
    const words = ['daemon', '--redis', 'redis://:hunter2-hunter2@127.0.0.1:1'];
    const ended = await installation.pitcrew(words);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('PITCREW_REDIS');
    expect(ended.stderr).not.toContain('hunter2');
  }, 60_000);
});
