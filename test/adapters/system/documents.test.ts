import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { FolderDocuments, readAndParse, readDocuments } from '../../../src/adapters/system/documents.ts';
import { describeProblem } from '../../../src/spec/problem.ts';
import { inventory, plan, playbook } from '../../spec/documents.ts';

let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pitcrew-documents-'));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function put(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

const valid = { 'a/inventory.yaml': inventory, 'playbooks/x.yml': playbook, 'plan.yaml': plan };

test('every YAML file below is read, sorted, each once, and nothing else', async () => {
  await put({ ...valid, 'notes.txt': 'x', '.git/x.yaml': 'x', 'a/.hidden.yaml': 'x', 'a/node_modules/x.yaml': 'x' });
  const { files } = await readDocuments([folder, join(folder, 'plan.yaml'), join(folder, 'a')]);
  expect(files.map(({ path }) => path)).toEqual(
    ['a/inventory.yaml', 'plan.yaml', 'playbooks/x.yml'].map((path) => join(folder, path)),
  );
  const { plans, playbooks, servers, warnings } = await new FolderDocuments([folder]).read();
  expect([plans.length, playbooks.length, servers.length, warnings]).toEqual([1, 1, 2, []]);
});

test('a file named by itself is read whatever its name', async () => {
  await put({ plan });
  expect((await readDocuments([join(folder, 'plan')])).files).toEqual([{ path: join(folder, 'plan'), text: plan }]);
});

test('a link to a folder is not followed, and that is said; one from a mounted ConfigMap is as it should be', async () => {
  await put({ ...valid, '..data/x.yaml': 'x: 1', 'elsewhere.d/plan.yaml': 'x: 1' });
  await rename(join(folder, 'elsewhere.d'), `${folder}-elsewhere`);
  onTestFinished(() => rm(`${folder}-elsewhere`, { recursive: true }));
  await symlink(`${folder}-elsewhere`, join(folder, 'more'));
  await symlink(join(folder, '..data'), join(folder, '..new'));
  await symlink(`${folder}-nowhere`, join(folder, 'dead'));
  const { plans, notices } = await new FolderDocuments([folder]).read();
  expect(plans).toHaveLength(1);
  expect(notices).toEqual([
    `${join(folder, 'more')} is not read: it is a link to a folder, which is not followed; name the folder itself`,
  ]);
});

test('a file that is named by itself, or by a playbook, is read and not called unread', async () => {
  const named = {
    'x/plan.YAML': plan,
    'playbooks/conf.YAML': 'a: 1\n',
    'playbooks/conf.json': '{ "kind": "Playbook" }',
  };
  const steps =
    '    - ssh: { copy: { from: conf.YAML, to: /etc/a } }\n    - ssh: { copy: { from: conf.json, to: /etc/b } }\n';
  await put({ 'a/inventory.yaml': inventory, 'playbooks/x.yml': playbook + steps, ...named });
  const { plans, notices } = await new FolderDocuments([folder, join(folder, 'x/plan.YAML')]).read();
  expect([plans.length, notices]).toEqual([1, []]);
});

test('the digest stands for the texts: any change of any of them changes it, reading again does not', async () => {
  const script = { 'playbooks/x.yml': `${playbook}    - ssh: { script: do.sh }\n`, 'playbooks/do.sh': 'echo a\n' };
  await put({ ...valid, ...script });
  const source = new FolderDocuments([folder]);
  const digests = [(await source.read()).digest, (await source.read()).digest];
  await put({ 'plan.yaml': `${plan}# a comment\n` });
  digests.push((await source.read()).digest);
  await put({ 'playbooks/do.sh': 'echo b\n' });
  digests.push((await source.read()).digest);
  expect(digests[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(digests[1]).toBe(digests[0]);
  expect(new Set(digests).size).toBe(3);
});

test('a path that is not there is an error, never an empty set of documents', async () => {
  await expect(new FolderDocuments([join(folder, 'missing')]).read()).rejects.toMatchObject({
    code: 'document/not-found',
    disposition: 'halt',
    message: `cannot read ${join(folder, 'missing')}: there is no such file`,
  });
  await symlink(join(folder, 'nowhere'), join(folder, 'broken.yaml'));
  await expect(readDocuments([folder])).rejects.toMatchObject({ code: 'document/not-found' });
});

test('every problem of every file is in the error, and warnings are not in the way', async () => {
  await put({
    ...valid,
    'plan.yaml': `${plan}  zebra: 1\n`,
    'second.yaml': `${plan.replace('weekly', 'b')}  rollout: { maxUnavailable: 0 }\n`,
    'playbooks/x.yml': `${playbook}    - wait: soon\n`,
  });
  const source = new FolderDocuments([folder]);
  const error = await source.read().catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'document/invalid', disposition: 'halt', details: { problems: 2 } });
  const lines = (error as Error).message.split('\n');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('plan.yaml:7:3  unknown key "zebra"');
  expect(lines[1]).toContain('x.yml:7:13  "wait" must be a length');
  await put({ 'plan.yaml': plan, 'playbooks/x.yml': playbook });
  expect((await source.read()).warnings).toEqual([
    expect.stringContaining('second.yaml:7:30  warning: "maxUnavailable" is 0'),
  ]);
});

test('files beside a playbook are read into it', async () => {
  await put({
    ...valid,
    'playbooks/x.yml': `${playbook}    - ssh: { script: parts/do.sh }\n    - ssh: { copy: { from: a.conf, to: /etc/a } }\n`,
    'playbooks/parts/do.sh': 'echo ${HOME}\n',
    'playbooks/a.conf': 'a\n',
  });
  const { playbooks } = await new FolderDocuments([folder]).read();
  expect(playbooks[0]?.spec.service.slice(1)).toEqual([
    { ssh: { run: 'echo $${HOME}\n', timeoutMs: 600_000 } },
    { ssh: { copy: { content: 'a\n', to: '/etc/a' } } },
  ]);
});

test('a link out of the playbook’s folder is not followed', async () => {
  const secret = 'the key of the daemon';
  await put({ ...valid, 'playbooks/x.yml': `${playbook}    - ssh: { copy: { from: a.conf, to: /etc/a } }\n`, secret });
  await symlink(join(folder, 'secret'), join(folder, 'playbooks/a.conf'));
  const { problems } = await readAndParse([folder]);
  expect(problems.map(describeProblem)).toEqual([
    expect.stringMatching(/x\.yml:7:\d+ {2}cannot read .*a\.conf: it is a link to somewhere else$/),
  ]);
});

test('a file beside a playbook that is not there is a problem of the playbook', async () => {
  await put({ ...valid, 'playbooks/x.yml': `${playbook}    - ssh: { script: do.sh }\n` });
  const { problems, documentCount } = await readAndParse([folder]);
  expect(documentCount).toBe(3);
  expect(problems.map(describeProblem)).toEqual([
    expect.stringMatching(/x\.yml:7:22 {2}cannot read .*do\.sh: there is no such file$/),
  ]);
});
