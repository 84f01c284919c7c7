/**
 * `playbooks/enable-live-migration.yaml`, run by the product on servers that have never heard of it. What it would install by apt is
 * there already, as the lab's servers have CRIU from the beginning: that part is not seen here.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { serversImage } from '../../src/lab/nodes/images.ts';
import { planText, runEnded } from '../slow/installation.ts';
import { containerIdOf, restartsOf } from './harness.ts';
import { InstalledLab } from './installed.ts';

const minuteMs = 60_000;
const project = path.join(import.meta.dirname, '../..');
const sleeper = { name: 'main', image: serversImage, command: ['sleep', 'infinity'] };
const configFile = '/etc/containerd/config.toml';
let installed: InstalledLab;

/** Nothing that is not needed elsewhere leaves its server: only containerd is restarted. */
const prepare = planText('prepare', {
  playbook: 'enable-live-migration',
  targets: { matchLabels: { role: 'worker' } },
  evacuation: { rules: [{ match: { namespaces: ['default'] }, action: 'leave' }] },
});
const live = planText('live', {
  playbook: 'enable-live-migration',
  targets: { matchLabels: { role: 'worker' } },
  evacuation: { prefer: ['live'], barePods: 'lose' },
});

beforeAll(async () => {
  const text = (name: string): Promise<string> => readFile(path.join(project, name), 'utf8');
  const config = (await text('src/lab/nodes/containerd.toml'))
    .split('\n')
    .filter((line) => !line.includes('pitcrew.dev/*'));
  installed = await InstalledLab.start({
    documents: {
      'enable-live-migration.yaml': await text('playbooks/enable-live-migration.yaml'),
      'pitcrew-runc.sh': await text('playbooks/pitcrew-runc.sh'),
      'prepare.yaml': prepare,
      'live.yaml': live,
    },
    lab: { files: [{ path: configFile, text: config.join('\n'), mode: 0o644 }] },
  });
}, 20 * minuteMs);
afterAll(async () => {
  await installed.stop();
}, 2 * minuteMs);

async function run(): Promise<(readonly [name: string, phase: string, reason: string])[]> {
  const client = await installed.client();
  const { runId } = await client.start('prepare');
  const { servers } = await runEnded(client, runId, 5 * minuteMs);
  return servers.map(({ name, phase, reason }) => [name, phase, reason] as const);
}

/** What is known of a server may be ten seconds old. */
async function ready(): Promise<void> {
  await installed.test.until('doctor finds both servers ready', async () =>
    (await doctor()).includes('criu: 2 of 2 servers ready'),
  );
}

async function doctor(): Promise<string> {
  const findings = await (await installed.client()).doctor();
  return findings
    .filter(({ area }) => area === 'movers')
    .map(({ subject, text }) => `${subject}: ${text}`)
    .join('\n');
}

it(
  'makes servers ready that were not, restarts no pod, and has nothing to do the second time',
  { timeout: 10 * minuteMs },
  async () => {
    const { test } = installed;
    const servers = [...test.lab.servers.values()];
    const configs = (): Promise<string[]> =>
      Promise.all(servers.map((each) => readFile(each.inServer(configFile), 'utf8')));
    test.pod('old', { nodeName: 'node-a', containers: [sleeper] });
    const old = await test.ready('old');
    expect(await doctor()).toContain(
      '0 servers are ready for it, two are needed: containerd on node-a does not use pitcrew-runc, containerd on node-a does not pass pitcrew.dev/* annotations on; containerd on node-b does not use pitcrew-runc',
    );

    const asked = (outcome: string) => servers.map(({ name }) => [name, 'done', outcome]);
    expect(await run()).toEqual(asked(''));
    await ready();
    const after = await test.ready('old');
    expect([containerIdOf(after), restartsOf(after)]).toEqual([containerIdOf(old), 0]);

    // Pods that are started from now on can be moved; who was there before knows runc by its old name.
    test.pod('new', { nodeName: 'node-a', containers: [sleeper] });
    await test.ready('new');
    const { stdout } = await installed.pitcrew('plan', 'live', '--explain', 'node-a');
    const explained = stdout.replaceAll(/\s+/g, ' ');
    expect(explained).toContain('default/new moves alive by criu');
    expect(explained).toContain('default/old blocked criu: container main runs since before its server was made ready');

    const settled = await configs();
    expect(await run()).toEqual(asked('nothing to do'));
    // Where one thing is missing all of it is done once more, and what is right stays as it is.
    await test.server('node-b').run(['rm', '/usr/local/sbin/.pitcrew-runc.installed']);
    expect(await run()).toEqual([
      ['node-a', 'done', 'nothing to do'],
      ['node-b', 'done', ''],
    ]);
    expect(await configs()).toEqual(settled);
    await ready();
  },
);
