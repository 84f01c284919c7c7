import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { ServerStanding } from '../../src/engine/operations.ts';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import { buildProgram } from '../../src/cli/program.ts';
import { temporaryFolder, token, type Served } from '../api/fixture.ts';
import { runView } from '../api/views.ts';
import { runHere, serveCli, type Ended, type Handed } from './harness.ts';
import type { RunDefinition } from '../../src/workflow/definition.ts';
import { busyRun, findings, haltedRun, history, preview, servers } from './samples.ts';

const standing: ServerStanding = { name: 'rack1-01', node: 'rack1-01', runs: [], pods: 3 };

/** What was asked for; looking at what is there is not. */
function changesAsked({ operations }: Served): string[] {
  return operations.asked.filter((what) => what.includes(' by '));
}

/** Without the line breaks that the width of the terminal makes. */
function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}

async function withFake(argv: string[], prepare: (served: Served) => void = () => undefined): Promise<Ended & Served> {
  const served = await serveCli();
  served.operations.runViews = [busyRun, haltedRun];
  served.operations.standings = [standing];
  prepare(served);
  const ended = await runHere(argv, { env: { PITCREW_SERVER: served.api.address } });
  return { ...ended, ...served };
}

function fill({ operations }: Served): void {
  operations.findings = findings;
  operations.serverList = servers;
  operations.entries = history;
  operations.previews = [preview];
}

describe('exit codes', () => {
  it.each([
    ['0 where it is done', ['status', '2611-a7'], undefined, 0],
    ['1 where the doctor finds something', ['doctor'], undefined, 1],
    ['2 for a run that does not exist', ['status', 'nowhere'], undefined, 2],
    ['2 for an unknown command', ['statsu'], undefined, 2],
    ['2 for an unknown option', ['status', '--loud'], undefined, 2],
    ['2 for a missing argument', ['retry', '2611-a7'], undefined, 2],
    ['2 for output of nothing', ['history', '--output'], undefined, 2],
    ['2 for a format that is none', ['status', '-o', 'xml'], undefined, 2],
    ['2 for no command at all', [], undefined, 2],
    ['0 for help', ['help', 'status'], undefined, 0],
    ['3 where a document is invalid', ['start', 'x'], 'document/invalid', 3],
    ['4 where a guard refuses', ['resume', '2611-a7'], 'run/refused', 4],
    ['5 where the cluster is unreachable', ['servers'], 'cluster/unreachable', 5],
  ] as const)('%s', async (_law, argv, code, exit) => {
    const ended = await withFake([...argv], ({ operations }) => {
      operations.findings = findings;
      if (code) operations.failure = new MaintenanceError(code, 'halt', 'because');
    });
    expect({ code: ended.code, stderr: ended.stderr }).toMatchObject({ code: exit });
    if (exit >= 2) expect([ended.stdout, ended.stderr.length > 0]).toEqual(['', true]);
  });

  it('5 where no daemon is, with what to do next', async () => {
    const data = await temporaryFolder();
    const ended = await runHere(['status', '--data', data]);
    expect(ended).toMatchObject({ code: 5, stdout: '' });
    expect(ended.stderr).toContain('next:  is `pitcrew daemon` running');
  });

  it('4 for a wrong token', async () => {
    const served = await serveCli();
    const env = { PITCREW_SERVER: served.api.address, PITCREW_TOKEN: 'wrong' };
    expect(await runHere(['servers'], { env })).toMatchObject({ code: 4 });
  });
});

describe('-o json and -o yaml', () => {
  const cases: [string[], unknown][] = [
    [['status', '2611-a7'], busyRun],
    [['status'], [busyRun]],
    [['history'], [busyRun, haltedRun]],
    [['history', '2611-a7'], history],
    [['servers'], servers],
    [['doctor'], findings],
    [['windows'], []],
    [['windows', 'weekly-kernel'], []],
    [['plan', 'weekly-kernel'], preview],
    [['start', 'weekly-kernel'], { runId: '2611-a7' }],
    [['pause', '2611-a7'], { runId: '2611-a7', requested: 'pause' }],
    [['skip', '2611-a7', 'rack2-05', '--yes'], { runId: '2611-a7', server: 'rack2-05', requested: 'skip' }],
    [['power', 'rack1-01', 'status'], { server: 'rack1-01', power: 'on' }],
    [['evacuate', 'rack1-01', '-y'], { runId: 'e-1' }],
  ];
  it.each(cases)('%j print the real object on stdout', async (argv, value) => {
    const asJson = await withFake([...argv, '-o', 'json'], fill);
    expect(JSON.parse(asJson.stdout)).toEqual(JSON.parse(JSON.stringify(value)));
    const asYaml = await withFake([...argv, '-o', 'yaml'], fill);
    expect(parse(asYaml.stdout)).toEqual(JSON.parse(JSON.stringify(value)));
  });

  it('prints an error as an object on stderr', async () => {
    const ended = await withFake(['status', 'nowhere', '-o', 'json']);
    expect(JSON.parse(ended.stderr)).toMatchObject({ error: { code: 'api/not-found' } });
  });
});

describe('every state change', () => {
  const cases: [string[], string][] = [
    [['start', 'weekly-kernel'], 'start weekly-kernel by anna@ops1'],
    [['pause', '2611-a7'], 'pause 2611-a7 by anna@ops1'],
    [['resume', '2611-a7'], 'resume 2611-a7 by anna@ops1'],
    [['approve', '2611-a7'], 'approve 2611-a7 by anna@ops1'],
    [['stop', '2611-a7', '--yes'], 'stop 2611-a7 by anna@ops1'],
    [['retry', '2611-a7', 'rack1-01'], 'retry 2611-a7 rack1-01 by anna@ops1'],
    [['skip', '2611-a7', 'rack2-05', '--yes'], 'skip 2611-a7 rack2-05 by anna@ops1'],
    [['power', 'rack1-01', 'on'], 'power rack1-01 on by anna@ops1'],
    [['power', 'rack1-01', 'off', '--yes'], 'power rack1-01 off by anna@ops1'],
    [['power', 'rack1-01', 'cycle', '--yes'], 'power rack1-01 cycle by anna@ops1'],
    [['power', 'rack1-01', 'off', '-y', '--force'], 'power rack1-01 off by force by anna@ops1'],
    [['evacuate', 'rack1-01', '--yes'], 'evacuate rack1-01 by anna@ops1'],
    [['return', 'rack1-01'], 'return rack1-01 by anna@ops1'],
  ];
  it.each(cases)('%j is asked once, in the name of the person, and names the next command', async (argv, asked) => {
    const ended = await withFake(argv);
    expect({ asked: changesAsked(ended), code: ended.code }).toEqual({ asked: [asked], code: 0 });
    const named = [...ended.stderr.matchAll(/`pitcrew ([a-z]+)/g)].map((match) => match[1]);
    expect(named.length).toBeGreaterThan(0);
    const known = buildProgram('1.2.3', async () => undefined).commands.map((command) => command.name());
    expect(known).toEqual(expect.arrayContaining(named));
    expect(ended.stdout).not.toContain('next:');
  });

  it('names the next command on one line of a log, however long', async () => {
    const { stderr } = await withFake(['start', 'weekly-kernel']);
    expect(stderr.split('\n').filter((line) => line.includes('`pitcrew '))).toHaveLength(1);
  });

  it.each([
    [['stop', '2611-a7']],
    [['skip', '2611-a7', 'rack2-05']],
    [['power', 'rack1-01', 'off']],
    [['power', 'rack1-01', 'cycle']],
    [['evacuate', 'rack1-01']],
  ])('that is dangerous, as %j, is refused without a terminal and without --yes', async (argv) => {
    const ended = await withFake(argv);
    expect({ asked: changesAsked(ended), code: ended.code }).toEqual({ asked: [], code: 2 });
    expect(ended.stderr).toMatch(/nobody is here to answer[\s\S]*--yes/);
  });

  it.each([
    [['stop', '2611-a8'], 'there is no run 2611-a8'],
    [['skip', '2611-a8', 'rack1-01'], 'there is no run 2611-a8'],
    [['skip', '2611-a7', 'rack2-055'], 'run 2611-a7 has no server rack2-055; did you mean "rack2-05"?'],
    [['power', 'rack1-0l', 'off'], 'no server named rack1-0l'],
    [['power', 'rack1-0l', 'cycle'], 'no server named rack1-0l'],
    [['evacuate', 'rack1-0l'], 'no server named rack1-0l'],
  ])('that is dangerous says first that there is no such thing: %j', async (argv, why) => {
    const ended = await withFake(argv);
    expect({ asked: changesAsked(ended), code: ended.code }).toEqual({ asked: [], code: 2 });
    expect(flat(ended.stderr)).toContain(why);
    expect(ended.stderr).not.toContain('nobody is here to answer');
  });
});

describe('power off', () => {
  const keepsPower = 'rack1-01 belongs to run 2611-a7 (weekly-kernel), which has not come to it yet';
  const pending: ServerStanding = {
    ...standing,
    runs: [{ runId: '2611-a7', plan: 'weekly-kernel', stage: 'pending' }],
    keepsPower,
  };
  const off = (given: Partial<ServerStanding>, ...words: string[]) =>
    withFake(['power', 'rack1-01', 'off', ...words], ({ operations }) => {
      operations.standings = [{ ...standing, ...given }];
    });

  it('of a server that a run still means to come to is refused before anybody is asked, also with --yes', async () => {
    for (const words of [[], ['--yes']]) {
      const ended = await off(pending, ...words);
      expect({ asked: changesAsked(ended), code: ended.code }).toEqual({ asked: [], code: 4 });
      expect(flat(ended.stderr)).toContain(keepsPower);
    }
  });

  it('says with --force what it is forced past', async () => {
    const ended = await off(pending, '--yes', '--force');
    expect(ended).toMatchObject({ code: 0, stdout: 'rack1-01 power off\n' });
    expect(ended.stderr).toContain('warning: run 2611-a7 (weekly-kernel) has yet to come to rack1-01\n');
  });

  it('says that a run is going on whose pods may be there, and nothing of the run that halted at this server', async () => {
    const runs = [
      { runId: 'r1', plan: 'patch', stage: 'elsewhere' },
      { runId: 'r2', plan: 'bios', stage: 'halted' },
    ] as const;
    const { stderr } = await off({ runs }, '--yes');
    expect(stderr.match(/^warning: .*$/gm)).toEqual([
      'warning: run r1 (patch) is going on: pods that it has moved may be on rack1-01 now',
    ]);
  });

  it.each([
    [3, 'The 3 pods on it are killed.'],
    [1, 'The 1 pod on it is killed.'],
    [0, 'No pod is on it.'],
    [undefined, 'Whatever runs there is killed.'],
  ])('asks with what is at stake: %j pods', async (pods, question) => {
    expect(flat((await off({ pods })).stderr)).toContain(`Power off rack1-01? ${question}`);
  });
});

describe('what is shown', () => {
  it('status without a run is the only active one, a list of several, or says that there is none', async () => {
    expect((await withFake(['status'])).stdout).toContain('run 2611-a7 · weekly-kernel · wave 3 of 3');
    const several = await withFake(['status'], ({ operations }) => {
      operations.runViews = [busyRun, runView({ runId: 'other' })];
    });
    expect(several.stdout).toMatch(/ run +plan[\s\S]*other[\s\S]*2611-a7|2611-a7[\s\S]*other/);
    expect(several.stderr).toContain('`pitcrew status');
    const none = await withFake(['status'], ({ operations }) => {
      operations.runViews = [runView({ runId: '2611-c3', status: 'done' })];
    });
    expect(none.stdout).toMatch(/^no run is active\n[\s\S]*2611-c3/);
  });

  it('status says whom a halted run waits for, and shows it, though no run is active', async () => {
    const { stdout } = await withFake(['status'], ({ operations }) => {
      operations.runViews = [haltedRun];
    });
    expect(stdout).toMatch(/^no run is active; the last one halted and waits for a person\n\nrun 2611-b2/);
    expect(stdout).toContain('next:');
  });

  it('status --watch without an active run is wrong usage, not an endless wait', async () => {
    const ended = await withFake(['status', '--watch'], ({ operations }) => {
      operations.runViews = [haltedRun];
    });
    expect(ended.code).toBe(2);
  });

  it('plan names the blocked server to look at and the command that starts it', async () => {
    const ended = await withFake(['plan', 'weekly-kernel'], ({ operations }) => {
      operations.previews = [preview];
    });
    expect(ended.stdout).toContain('blockers 2');
    expect(ended.stderr).toContain('`pitcrew plan weekly-kernel --explain rack1-07`');
    expect(ended.stderr).toContain('`pitcrew start weekly-kernel --watch`');
  });

  it('plan --explain of a server that the plan does not have is wrong usage, and names those that it has', async () => {
    const ended = await withFake(['plan', 'weekly-kernel', '--explain', 'nobody', '-o', 'json'], ({ operations }) => {
      operations.previews = [preview];
    });
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('has no server nobody');
    expect(ended.stderr).toContain('rack1-01');
  });

  it('plan --diff says what is different from the last run of that plan, and nothing where nothing is', async () => {
    const diff = (change: Partial<RunDefinition>, words: string[] = []) =>
      withFake(['plan', 'weekly-kernel', '--diff', ...words], ({ operations }) => {
        const { definition } = preview;
        operations.previews = [{ ...preview, definition: { ...definition, ...change } }];
        operations.runViews = [busyRun, { ...busyRun, runId: 'old', createdMs: 1 }];
        operations.entries = [
          { version: 1, atMs: 1, event: { kind: 'runCreated', definition: { ...definition, runId: 'r9' } } },
        ];
      });
    expect((await diff({})).stdout).toBe('nothing is different from run r9\n');
    const { stdout, operations } = await diff({ servers: preview.definition.servers.slice(1), maxUnavailable: 2 });
    expect(stdout).toBe('different from run r9\n\n servers gone    1: rack1-01\n maxUnavailable  4 → 2\n');
    expect(operations.asked).toContain(`history ${busyRun.runId} -`);
    expect(JSON.parse((await diff({ playbook: 'firmware' }, ['-o', 'json'])).stdout)).toEqual({
      runId: 'r9',
      added: [],
      removed: [],
      changes: [{ what: 'playbook', before: 'kernel-update', now: 'firmware' }],
    });
    const never = await withFake(['plan', 'weekly-kernel', '--diff'], ({ operations }) => {
      operations.previews = [preview];
      operations.runViews = [];
    });
    expect(never.stderr).toContain('the plan weekly-kernel has never run');
    expect((await diff({}, ['--explain', 'rack1-01'])).code).toBe(2);
  });

  it('the output of a server on request', async () => {
    const ended = await withFake(['history', '2611-a7', 'rack1-01', '--output'], ({ operations }) => {
      operations.lines = [{ atMs: 0, step: 'service-1', text: 'Setting up linux-image\n' }];
    });
    expect(ended.stdout).toContain('Setting up linux-image');
    expect(ended.operations.asked).toEqual(['output 2611-a7 rack1-01']);
  });
});

describe('the token', () => {
  it('is taken from a file that is named, before the environment and the file beside the socket', async () => {
    const served = await serveCli();
    const file = join(served.folder, 'mine');
    await writeFile(file, `${token}\n`);
    await writeFile(join(served.folder, 'token'), 'wrong');
    const env = { PITCREW_SERVER: served.api.address, PITCREW_TOKEN: 'wrong too' };
    expect(await runHere(['servers', '--token-file', file], { env })).toMatchObject({ code: 0 });
    expect(await runHere(['servers', '--token-file', `${file}-not`], { env })).toMatchObject({ code: 3 });
    const asked = await runHere(['servers'], { env: { ...env, PITCREW_TOKEN: token } });
    expect(asked).toMatchObject({ code: 0 });
    await writeFile(file, 'root:x:0\nsecret\n');
    const other = await runHere(['servers', '--token-file', file], { env });
    expect(other).toMatchObject({ code: 3 });
    expect(other.stderr.replaceAll(/\s+/g, ' ')).toContain('mine holds no token: it is one word on one line');
    expect(other.stderr).not.toContain('root:x');
  });

  it('is in no output, not even in that of an error', async () => {
    const ended = await withFake(['servers', '-o', 'json'], ({ operations }) => {
      operations.failure = new Error('inside');
    });
    expect(ended.code).toBe(1);
    expect(ended.stdout + ended.stderr).not.toContain(token);
    expect(ended.stderr).not.toContain('inside');
  });
});

describe('the data folder', () => {
  it('holds socket and token; ./.pitcrew unless another is named', async () => {
    const cwd = await temporaryFolder();
    await mkdir(join(cwd, '.pitcrew'));
    const here = await runHere(['servers', '-o', 'json'], { cwd });
    expect(here.stderr).toContain(join(cwd, '.pitcrew', 'daemon.sock'));
    const named = await runHere(['servers', '-o', 'json', '--data', 'other'], { cwd });
    expect(named.stderr).toContain(join(cwd, 'other', 'daemon.sock'));
  });
});

describe('validate', () => {
  it('says what is wrong and where, with exit code 3, and 0 for a good document', async () => {
    const folder = await temporaryFolder();
    const text = await readFile(join(import.meta.dirname, 'good-inventory.yaml'), 'utf8');
    await writeFile(join(folder, 'good.yaml'), text);
    const good = await runHere(['validate', folder]);
    expect(good).toMatchObject({ code: 0, stdout: '1 document, no problem\n' });
    await writeFile(join(folder, 'good.yaml'), text.replace('servers:', 'serfers:'));
    const bad = await runHere(['validate', folder]);
    expect(bad.code).toBe(3);
    expect(bad.stdout).toContain('did you mean "servers"?');
    const asJson = await runHere(['validate', folder, '-o', 'json']);
    expect(JSON.parse(asJson.stdout)).toMatchObject({ documentCount: 1, problems: [{ line: 4 }, { line: 5 }] });
  });

  it('names the files that were probably meant, and is content with the others', async () => {
    const folder = await temporaryFolder();
    const text = await readFile(join(import.meta.dirname, 'good-inventory.yaml'), 'utf8');
    await writeFile(join(folder, 'servers.YAML'), text);
    const none = await runHere(['validate', folder]);
    expect(none).toMatchObject({ code: 2, stdout: '' });
    expect(flat(none.stderr)).toContain('servers.YAML is not read: documents are YAML');
    await writeFile(join(folder, 'good.yaml'), text);
    const good = await runHere(['validate', folder]);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(good.stdout).toBe(
      `${join(folder, 'servers.YAML')}  not read: documents are YAML, in files that end in .yaml or .yml, in small letters\n` +
        '1 document, no problem; 1 file not read\n',
    );
    expect(JSON.parse((await runHere(['validate', folder, '-o', 'json'])).stdout)).toMatchObject({
      passedOver: [{ path: join(folder, 'servers.YAML') }],
    });
  });

  it('without anything to validate is wrong usage', async () => {
    expect(await runHere(['validate'], { cwd: await temporaryFolder() })).toMatchObject({ code: 2 });
    expect(await runHere(['validate', '/nowhere/at-all'])).toMatchObject({ code: 3 });
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'plan.yaml.txt'), 'kind: MaintenancePlan');
    const ended = await runHere(['validate', folder]);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toContain('no document in');
  });
});

describe('daemon and demo', () => {
  it('get their options as they were given, defaults filled in', async () => {
    const cwd = await temporaryFolder();
    const handed: Handed = {};
    expect(await runHere(['daemon'], { cwd }, handed)).toMatchObject({ code: 0 });
    expect(handed.daemon).toMatchObject({ documents: ['playbooks', 'inventory', 'deploy/plans'] });
    const argv = ['--data', '/tmp/d', 'daemon', '--documents', 'a', 'b', '--redis', 'redis://127.0.0.1:1/2'];
    const more = ['--sites', 'fra1', 'ams1', '--listen', '127.0.0.1:7400', '--known-hosts', 'kh', '--context', 'c'];
    await runHere([...argv, ...more], { cwd }, handed);
    expect(handed.daemon).toEqual({
      data: '/tmp/d',
      documents: ['a', 'b'],
      redis: 'redis://127.0.0.1:1/2',
      sites: ['fra1', 'ams1'],
      listen: '127.0.0.1:7400',
      knownHosts: 'kh',
      context: 'c',
    });
    const demo = await runHere(['demo', '--keep', '--speed', '2.5', '--folder', 'f'], { cwd }, handed);
    expect(handed.demo).toEqual({ keep: true, run: true, speed: 2.5, folder: 'f' });
    // The demo can run commands of its own.
    expect(demo.stdout).toContain('complete -c pitcrew');
    await runHere(['demo'], { cwd }, handed);
    expect(handed.demo).toEqual({ keep: false, run: true, speed: 1 });
    await runHere(['demo', '--no-run', '--break', 'rack2-02'], { cwd }, handed);
    expect(handed.demo).toEqual({ keep: false, run: false, speed: 1, broken: 'rack2-02' });
    expect(await runHere(['demo', '--speed', 'fast'], { cwd })).toMatchObject({ code: 2 });
  });

  it('a password of Redis is refused in the arguments and taken from the environment', async () => {
    const handed: Handed = {};
    const url = 'redis://:hush@127.0.0.1:6379';
    const refused = await runHere(['daemon', '--redis', url], {}, handed);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).not.toContain('hush');
    expect(handed.daemon).toBeUndefined();
    await runHere(['daemon'], { env: { PITCREW_REDIS: url } }, handed);
    expect(handed.daemon?.redis).toBe(url);
  });

  it('a repository comes with what belongs to it, files as full paths; secrets in it are never taken', async () => {
    const handed: Handed = {};
    const cwd = await temporaryFolder();
    const words = [
      '--data',
      '/tmp/d',
      'daemon',
      '--git',
      'ssh://git@h/plans.git',
      '--git-key',
      'key',
      '--git-poll',
      '2m',
    ];
    await runHere([...words, '--git-folder', 'plans', 'inventory', '--git-branch', 'main'], { cwd }, handed);
    expect(handed.daemon?.repository).toEqual({
      url: 'ssh://git@h/plans.git',
      branch: 'main',
      folders: ['plans', 'inventory'],
      keyFile: join(cwd, 'key'),
      knownHostsFile: '/tmp/d/known_hosts',
      pollMs: 120_000,
    });
    const webhook = ['--git', '../plans', '--git-webhook-secret-file', 'hook', '--git-allowed-signers', 'signers'];
    await runHere(['daemon', ...webhook], { cwd }, handed);
    expect(handed.daemon).toMatchObject({
      repository: { url: join(cwd, '../plans'), pollMs: 60_000, allowedSignersFile: join(cwd, 'signers') },
      webhookSecretFile: join(cwd, 'hook'),
    });
  });

  it.each([
    [['--git-branch', 'main'], '--git-branch is of no use without --git'],
    [['--git', '/x', '--documents', 'a'], 'from --documents or from --git'],
    [['--git', '/x', '--git-poll', '1s'], 'at least 5s'],
  ])('options that mean nothing together are refused: %s', async (words, why) => {
    const handed: Handed = {};
    const ended = await runHere(['daemon', ...words], {}, handed);
    expect(ended).toMatchObject({ code: 2 });
    expect(ended.stderr).toContain(why);
    expect(handed.daemon).toBeUndefined();
  });

  it('notices about the documents are said beside the run that was started from them', async () => {
    const { api, operations } = await serveCli();
    operations.start = async () => ({ runId: '2611-a7', notices: ['commit 9abcdef is not used: \u001b[31mx'] });
    const ended = await runHere(['--server', api.address, 'start', 'weekly-kernel']);
    expect(ended).toMatchObject({ code: 0, stdout: 'run 2611-a7 started · weekly-kernel\n' });
    expect(ended.stderr).toContain('warning: commit 9abcdef is not used: x\n');
  });
});
