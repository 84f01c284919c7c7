import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderGantt } from '../../src/cli/render/gantt.ts';
import { renderRehearsal } from '../../src/cli/render/rehearsal.ts';
import { widthOf } from '../../src/cli/render/text.ts';
import type { Rehearsal } from '../../src/rehearsal/result.ts';
import type { PlanPreview } from '../../src/planner/preview.ts';
import { fleet, startMs } from '../rehearsal/fleet.ts';
import { pitcrew, runHere, serveCli } from './harness.ts';

const planText = `apiVersion: pitcrew.dev/v1
kind: MaintenancePlan
metadata: { name: weekly }
spec:
  playbook: kernel
  targets: { matchLabels: { role: worker } }
  schedule: { windows: [{ opens: "0 22 * * SAT", lasts: 4h, timeZone: Europe/Berlin }], estimate: 10m }
  rollout: { maxUnavailable: 2, waves: [{ servers: 1, soak: 10m, approval: required }, { servers: 100% }] }
  evacuation: { prefer: [surge, evict], localData: lose }
`;
const playbookText = `apiVersion: pitcrew.dev/v1
kind: Playbook
metadata: { name: kernel }
spec:
  service:
    - ssh: { run: apt-get -y install linux-image-amd64 }
    - reboot: { timeout: 5m, expect: { kernel: "\${newest}" } }
  verify: [{ kernel: { is: "\${newest}" } }, { units: { failed: 0 } }]
`;

let folder = '';
let given: string[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pitcrew-rehearse-'));
  const { snapshot } = await fleet();
  await writeFile(join(folder, 'twin.json'), JSON.stringify(snapshot));
  await writeFile(join(folder, 'documents.yaml'), `${planText}---\n${playbookText}`);
  given = ['weekly', '--snapshot', join(folder, 'twin.json'), '--documents', join(folder, 'documents.yaml')];
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('pitcrew rehearse', () => {
  it('plays a run through without a daemon, and fits 80 columns', async () => {
    const picture = join(folder, 'run.svg');
    const { code, stdout, stderr } = await runHere([
      'rehearse',
      ...given,
      '--at',
      '2026-11-28T22:00',
      '--svg',
      picture,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'next: `pitcrew start weekly --watch`\n' });
    expect(stdout).toContain('weekly · kernel · 6 servers · rehearsed');
    expect(stdout).toContain('Sat 28 Nov 22:00 to Sat 28 Nov 22:');
    expect(stdout).toMatch(/fits the window, 3h \d\dm to spare/);
    expect(stdout).toMatch(/ 2 {2}rack2-03 .*s?R+/);
    expect(stdout.split('\n').filter((line) => widthOf(line) > 80)).toEqual([]);
    expect(await readFile(picture, 'utf8')).toContain('would end done');
  });

  it('ends with 1 where the run would not end done, and says why', async () => {
    const { code, stdout } = await runHere(['rehearse', ...given, '--fail', 'rack1-02:reboot']);
    expect(code).toBe(1);
    expect(stdout).toContain('what would go wrong: halted');
    expect(stdout).toContain('the server did not come back');
    expect(stdout).toContain('rack1-02:reboot, it never comes back from a reboot');
    expect(stdout.split('\n').filter((line) => widthOf(line) > 80)).toEqual([]);
  });

  it('prints the rehearsal itself for machines', async () => {
    const { stdout } = await runHere(['rehearse', ...given, '-o', 'json', '--at', '2026-11-28T21:00Z', '--seed', '3']);
    const rehearsal = JSON.parse(stdout) as Rehearsal;
    expect(rehearsal).toMatchObject({ plan: 'weekly', seed: 3, startMs, outcome: 'done', fitsWindow: true });
    expect(rehearsal.servers).toHaveLength(6);
  });

  it('asks the daemon for plan and cluster where no snapshot is named', async () => {
    const { snapshot, definition } = await fleet();
    const { operations, api } = await serveCli();
    operations.snapshotTaken = snapshot;
    const preview = { definition, nowMs: startMs, waves: [], servers: [], pods: [], warnings: [] };
    operations.previews = [preview as unknown as PlanPreview];
    const { code, stdout } = await runHere(['rehearse', 'weekly', '--server', api.address]);
    expect(code).toBe(0);
    expect(stdout).toContain('all done');
    expect(operations.asked).toEqual(['preview weekly', 'snapshot']);
  });

  it.each([
    [['--documents', 'x'], 2, '--documents goes with --snapshot'],
    [['--at', 'tomorrow'], 2, '"tomorrow" is no time'],
    [['--seed', '-1'], 2, 'whole number'],
  ])('refuses %s', async (options, exit, message) => {
    const { code, stderr } = await runHere(['rehearse', 'weekly', ...options]);
    expect(code).toBe(exit);
    expect(stderr).toContain(message);
  });

  it.each([
    [['--fail', 'rack7-01:reboot'], 4, 'the plan has no server rack7-01'],
    [['--svg', '/nonexistent/run.svg'], 2, 'cannot write /nonexistent/run.svg: ENOENT'],
  ])('with a snapshot refuses %s', async (options, exit, message) => {
    const { code, stderr } = await runHere(['rehearse', ...given, ...options]);
    expect(code).toBe(exit);
    expect(stderr.replaceAll(/\s+/g, ' ')).toContain(message);
  });

  it('lists the faults of a server, and those of the cluster, in place of a run', async () => {
    const ofServer = await runHere(['rehearse', ...given, '--fail', 'rack1-01:?']);
    expect(ofServer.code).toBe(0);
    expect(ofServer.stdout).toContain('\n boot-slow     it takes four times as long to boot\n');
    const ofCluster = await runHere(['rehearse', ...given, '--fail', 'cluster:?', '-o', 'json']);
    expect((JSON.parse(ofCluster.stdout) as { name: string }[]).map(({ name }) => name)).toContain('flaky');
  });

  it('is a process that ends by itself', async () => {
    const { code, stdout } = await pitcrew(['rehearse', ...given]).ended;
    expect(code).toBe(0);
    expect(stdout).toContain('taken for granted');
    expect(stdout).toContain('\n  a command takes 2 s');
  });
});

describe('pitcrew plan', () => {
  it('works from a snapshot, without a daemon', async () => {
    const { code, stdout } = await runHere(['plan', ...given]);
    expect(code).toBe(0);
    expect(stdout).toContain('weekly · kernel');
    const unknown = await runHere(['plan', 'monthly', ...given.slice(1)]);
    expect(unknown.stderr).toContain('no plan named monthly; there are: weekly');
  });
});

describe('the picture of a rehearsal', () => {
  it('is one file without anything from outside, in which other people’s words stay words', async () => {
    const { stdout } = await runHere(['rehearse', ...given, '-o', 'json', '--fail', 'rack1-02:reboot']);
    const rehearsal = JSON.parse(stdout) as Rehearsal;
    const [first, ...rest] = rehearsal.servers;
    const hostile = {
      ...rehearsal,
      servers: [{ ...first, name: '<script>alert("x")</script>&' }, ...rest],
    } as Rehearsal;
    const picture = renderGantt(hostile, 'UTC');
    expect(picture).toContain('&lt;script&gt;');
    expect(picture).not.toMatch(/<script|href|url\((?!#)/);
    expect(picture).toContain('prefers-color-scheme:dark');
    // Every bar has its class and its words.
    expect(picture.match(/<rect class="reboot"/g)?.length).toBeGreaterThanOrEqual(3);
    expect(picture).toContain('did not end well');
    expect(renderRehearsal(hostile, { nowMs: 0, width: 80, color: false, timeZone: 'UTC' })).toContain('<script>');
  });

  it('of a run over several windows has a part for each', async () => {
    const path = join(folder, 'short.yaml');
    await writeFile(path, `${planText.replace('lasts: 4h', 'lasts: 20m')}---\n${playbookText}`);
    const given = ['weekly', '--snapshot', join(folder, 'twin.json'), '--documents', path];
    const { stdout } = await runHere(['rehearse', ...given, '-o', 'json', '--at', '2026-11-28T22:00']);
    const rehearsal = JSON.parse(stdout) as Rehearsal;
    const picture = renderGantt(rehearsal, 'UTC');
    expect(rehearsal.fitsWindow).toBe(false);
    expect(picture).toContain('Sat 28 Nov');
    expect(picture).toContain('Sat 5 Dec');
    const text = renderRehearsal(rehearsal, { nowMs: 0, width: 80, color: false, timeZone: 'UTC' });
    expect(text.match(/ wave {2}server/g)).toHaveLength(2);
  });
});
