import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readAndParse, readDocuments } from '../../src/adapters/system/documents.ts';
import { documentKinds, jsonSchemaText } from '../../src/spec/json-schema.ts';
import { fillIn } from '../../src/spec/parameters.ts';
import type { Playbook } from '../../src/spec/playbook.ts';
import { describeProblem } from '../../src/spec/problem.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folders = ['playbooks', 'inventory', 'deploy/plans', 'deploy/demo'].map((folder) => join(root, folder));

const { plans, playbooks, servers, problems } = await readAndParse(folders);

function playbookNamed(name: string): Playbook {
  const found = playbooks.find(({ metadata }) => metadata.name === name);
  if (found === undefined) throw new Error(`no playbook ${name}`);
  return found;
}

function defaultsOf({ spec }: Playbook): Record<string, string | number | boolean> {
  return Object.fromEntries(
    Object.entries(spec.parameters ?? {}).flatMap(([name, { default: value }]) =>
      value === undefined ? [] : [[name, value]],
    ),
  );
}

function scriptsOf(playbook: Playbook): string[] {
  const { needed = [], prepare = [], service, verify = [], undo = [] } = playbook.spec;
  return [...needed, ...prepare, ...service, ...verify, ...undo]
    .flatMap((step) => ('ssh' in step && 'run' in step.ssh ? [step.ssh.run] : []))
    .map((script) => fillIn(script, defaultsOf(playbook)));
}

test('the example documents are valid together', () => {
  expect(problems.map(describeProblem)).toEqual([]);
  expect(plans.map(({ metadata }) => metadata.name).sort((a, b) => (a < b ? -1 : 1))).toEqual([
    'demo-kernel',
    'weekly-kernel',
  ]);
  expect(playbooks.map(({ metadata }) => metadata.name)).toEqual([
    'enable-live-migration',
    'firmware-update',
    'kernel-update-rhel',
    'kernel-update',
    'reboot-only',
  ]);
  expect(servers.length).toBeGreaterThan(5);
});

test('each names its JSON Schema, and the schemas are those of today', async () => {
  const { files } = await readDocuments(folders);
  expect(files.length).toBeGreaterThan(5);
  for (const { path, text } of files) {
    const schema = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text)?.[1];
    expect({ path, isThere: existsSync(join(dirname(path), schema ?? 'no schema named')) }).toEqual({
      path,
      isThere: true,
    });
    expect(schema).toContain(/^kind: (\w+)$/m.exec(text)?.[1]);
  }
  const stored = join(root, 'deploy/schemas');
  expect((await readdir(stored)).toSorted()).toEqual(documentKinds.map((kind) => `${kind}.schema.json`).toSorted());
  for (const kind of documentKinds) {
    // Out of date? `node deploy/schemas.ts` writes them.
    expect(await readFile(join(stored, `${kind}.schema.json`), 'utf8')).toBe(jsonSchemaText(kind));
  }
});

describe('scripts', () => {
  test('every script is POSIX sh', () => {
    const scripts = playbooks.flatMap(scriptsOf);
    expect(scripts.length).toBeGreaterThan(10);
    for (const script of scripts) {
      const { status, stderr } = spawnSync('/bin/sh', ['-n', '-c', script], { encoding: 'utf8' });
      expect({ script, status, stderr }).toEqual({ script, status: 0, stderr: '' });
    }
  });
});

const dnf = (update: number, code: number, text: string): string =>
  `case "$*" in *check-update*) exit ${update} ;; *needs-restarting*) echo "${text}"; exit ${code} ;; *) exit 9 ;; esac`;

const fwupd = (refresh: number, code: number, text: string): string =>
  `case "$1" in refresh) exit ${refresh} ;; get-updates) echo '${text}'; exit ${code} ;; *) exit 9 ;; esac`;

/** The probes run by a real shell, on a path where only the given programs exist. */
describe('a probe says needed or not needed only where it knows', () => {
  let folder = '';
  const tools = ['grep', 'tail'];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pitcrew-probe-'));
    for (const tool of tools) await program(tool, `PATH=/usr/bin:/bin exec ${tool} "$@"`);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function program(name: string, text: string): Promise<void> {
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(folder, name), 0o755);
  }

  function probe(name: string): { answer: string; output: string } {
    const playbook = playbookNamed(name);
    const [needed] = playbook.spec.needed ?? [];
    if (needed === undefined) throw new Error('no probe');
    const script = fillIn(needed.ssh.run, defaultsOf(playbook));
    const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', script], {
      encoding: 'utf8',
      env: { PATH: folder },
    });
    const answers = { [needed.ssh.neededExitCode]: 'needed', [1 - needed.ssh.neededExitCode]: 'not needed' };
    return { answer: answers[status ?? -1] ?? 'unknown', output: stdout + stderr };
  }

  test.each(['kernel-update', 'kernel-update-rhel', 'firmware-update'])('%s without its program: unknown', (name) => {
    expect(probe(name).answer).toBe('unknown');
  });

  const aptUpdates =
    'case "$*" in *update) exit 0 ;; *install*linux-image-amd64) echo "Inst linux-image-6.2" ;; *) exit 9 ;; esac';
  const aptNothing =
    'case "$*" in *update) exit 0 ;; *install*linux-image-amd64) echo "0 upgraded" ;; *) exit 9 ;; esac';
  const kernels =
    'case "$1" in list) printf "%s\\n" 6.1.0-10-amd64 6.1.0-9-amd64 ;; sort) PATH=/usr/bin:/bin sort -V ;; esac';

  const apt: [law: string, programs: Record<string, string>, answer: string][] = [
    ['a newer package', { 'apt-get': aptUpdates }, 'needed'],
    ['no list of packages', { 'apt-get': 'exit 100' }, 'unknown'],
    ['an impossible installation', { 'apt-get': 'case "$*" in *update) exit 0 ;; *) exit 100 ;; esac' }, 'unknown'],
    [
      'the newest kernel runs',
      { 'apt-get': aptNothing, 'linux-version': kernels, uname: 'echo 6.1.0-10-amd64' },
      'not needed',
    ],
    [
      'an older kernel runs',
      { 'apt-get': aptNothing, 'linux-version': kernels, uname: 'echo 6.1.0-9-amd64' },
      'needed',
    ],
    ['nobody knows which kernels there are', { 'apt-get': aptNothing, uname: 'echo 6.1' }, 'unknown'],
    ['nobody knows what runs', { 'apt-get': aptNothing, 'linux-version': kernels }, 'unknown'],
  ];
  // The probe also looks at a file that a test may not make.
  test.skipIf(existsSync('/run/reboot-required')).each(apt)('kernel-update: %s', async (_, programs, answer) => {
    for (const [name, text] of Object.entries(programs)) await program(name, text);
    expect(probe('kernel-update').answer).toBe(answer);
  });

  const rhel: [law: string, dnf: string, answer: string][] = [
    ['a newer package', dnf(100, 9, ''), 'needed'],
    ['a reboot is pending', dnf(0, 1, 'Reboot is required to fully utilize these updates.'), 'needed'],
    ['nothing', dnf(0, 0, 'Reboot should not be necessary.'), 'not needed'],
    ['no plugin: 1 as well, and not needed it is not', dnf(0, 1, 'No such command: needs-restarting.'), 'unknown'],
    ['no repository', dnf(1, 0, ''), 'unknown'],
  ];
  test.each(rhel)('kernel-update-rhel: %s', async (_, text, answer) => {
    await program('dnf', text);
    expect(probe('kernel-update-rhel').answer).toBe(answer);
  });

  const devices = '{ "Devices" : [ { "Name" : "BIOS", "Releases" : [ { "Version" : "2" } ] } ] }';
  const firmware: [law: string, fwupdmgr: string, answer: string][] = [
    ['updates', fwupd(0, 0, devices), 'needed'],
    ['metadata was fresh already', fwupd(2, 0, devices), 'needed'],
    ['nothing to do, by its exit code', fwupd(0, 2, ''), 'not needed'],
    ['nothing to do, by an empty list', fwupd(0, 0, '{ "Devices" : [] }'), 'not needed'],
    ['no metadata', fwupd(1, 0, devices), 'unknown'],
    ['a failure', fwupd(0, 1, devices), 'unknown'],
  ];
  test.each(firmware)('firmware-update: %s', async (_, text, answer) => {
    await program('fwupdmgr', text);
    expect(probe('firmware-update').answer).toBe(answer);
  });
});
