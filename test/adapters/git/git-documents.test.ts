/** Which commit is in use, over a repository on this machine; the other ways to reach one are in transports.test.ts. */
import { chmod, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pauseMs } from '../../../src/adapters/git/pauses.ts';
import { MaintenanceError } from '../../../src/errors/maintenance-error.ts';
import type { DocumentSource } from '../../../src/ports/documents.ts';
import { plan, playbook } from '../../spec/documents.ts';
import { open, Repository, signingKey, temporaryFolder, validFiles } from './repository.ts';

const broken = { 'plans/weekly.yaml': `${plan}  zebra: 1\n` };

async function inUse(documents: DocumentSource): Promise<{ commit: string | undefined; notices: readonly string[] }> {
  const { commit, notices = [] } = await documents.read();
  return { commit, notices };
}

async function failure(work: Promise<unknown>): Promise<MaintenanceError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MaintenanceError)) throw new Error('there was no error of ours');
  return error;
}

describe('documents from Git', () => {
  it('are those of the newest commit, and say which it is', async () => {
    const repository = await Repository.make();
    const { documents, look } = await open({ url: repository.path });
    const first = await documents.read();
    expect(first).toMatchObject({ commit: await repository.git('rev-parse', 'HEAD'), notices: [], warnings: [] });
    expect([first.plans.length, first.playbooks.length, first.servers.length]).toEqual([1, 1, 2]);
    const second = await repository.commit({ 'plans/second.yaml': plan.replace('weekly', 'second') });
    expect((await inUse(documents)).commit).toBe(first.commit);
    await look();
    expect(await inUse(documents)).toEqual({ commit: second, notices: [] });
    expect((await documents.read()).plans).toHaveLength(2);
  });

  it('come from the branch and the folders that are named, and from committed files only', async () => {
    const repository = await Repository.make({
      'ops/a/plan.yaml': plan,
      'ops/b.yml': playbook,
      'other.yaml': 'x: 1\n',
    });
    await repository.git('checkout', '--quiet', '-b', 'night');
    const commit = await repository.commit({ 'ops/inventory.yaml': validFiles['inventory.yaml'] });
    await repository.git('checkout', '--quiet', 'main');
    await writeFile(join(repository.path, 'ops/a/uncommitted.yaml'), 'nonsense');
    const { documents } = await open({ url: repository.path, branch: 'night', folders: ['ops'] });
    expect(await inUse(documents)).toEqual({ commit, notices: [] });
  });

  it('stay those of the last good commit where a newer one is wrong, which is said with its place and logged once', async () => {
    const repository = await Repository.make();
    const good = await repository.git('rev-parse', 'HEAD');
    const { documents, look, lines } = await open({ url: repository.path });
    const bad = await repository.commit(broken);
    await look();
    await look();
    expect(await inUse(documents)).toEqual({
      commit: good,
      notices: [
        expect.stringMatching(
          new RegExp(
            `^commit ${bad.slice(0, 7)} is not used: plans/weekly.yaml:7:3 .*zebra.*; commit ${good.slice(0, 7)} stays in use$`,
          ),
        ),
      ],
    });
    expect(lines.filter(({ level }) => level === 'error')).toEqual([
      {
        level: 'error',
        text: 'the newest commit is not used',
        fields: expect.objectContaining({ commit: bad, inUse: good }),
      },
    ]);
    const mended = await repository.commit({ 'plans/weekly.yaml': plan });
    await look();
    expect(await inUse(documents)).toEqual({ commit: mended, notices: [] });
  });

  it('stay those of the last good commit over a restart, also while the repository is away', async () => {
    const repository = await Repository.make();
    const good = await repository.git('rev-parse', 'HEAD');
    const before = await open({ url: repository.path });
    await repository.commit(broken);
    await before.look();
    await before.documents.stop();
    const after = await open({ url: repository.path }, { data: before.data });
    expect(await inUse(after.documents)).toMatchObject({ commit: good, notices: [expect.stringContaining('zebra')] });
    await after.documents.stop();
    await rename(repository.path, `${repository.path}-away`);
    const alone = await open({ url: repository.path }, { data: before.data });
    expect(await inUse(alone.documents)).toEqual({
      commit: good,
      notices: [
        expect.stringMatching(/^the repository cannot be fetched since 2026-11-22T13:05:00Z: there is no such repo/),
      ],
    });
    await rename(`${repository.path}-away`, repository.path);
    await repository.commit({ 'plans/weekly.yaml': plan });
    await alone.look();
    expect((await inUse(alone.documents)).notices).toEqual([]);
  });

  it('are none where there was never a good commit, and the reason is the error', async () => {
    const repository = await Repository.make({ ...validFiles, ...broken });
    const { documents, look } = await open({ url: repository.path });
    expect(await failure(documents.read())).toMatchObject({ code: 'document/invalid', disposition: 'halt' });
    expect((await failure(documents.read())).message).toContain('plans/weekly.yaml:7:3  unknown key "zebra"');
    await repository.commit({ 'plans/weekly.yaml': plan });
    await look();
    expect((await inUse(documents)).notices).toEqual([]);
  });

  it('follow a history that was rewritten, and say so until the next commit', async () => {
    const repository = await Repository.make();
    await repository.commit({ 'plans/weekly.yaml': `${plan}# two\n` });
    const two = await repository.git('rev-parse', 'HEAD');
    const { documents, look, lines } = await open({ url: repository.path });
    await repository.git('reset', '--quiet', '--hard', 'HEAD~1');
    const other = await repository.commit({ 'plans/weekly.yaml': `${plan}# other\n` });
    await look();
    const said = `the history of the branch was rewritten: ${other.slice(0, 7)} does not follow from ${two.slice(0, 7)}`;
    expect(await inUse(documents)).toEqual({ commit: other, notices: [said] });
    await look();
    expect((await inUse(documents)).notices).toEqual([said]);
    expect(lines.filter(({ text }) => text.includes('rewritten'))).toHaveLength(1);
    await repository.commit({ 'plans/weekly.yaml': plan });
    await look();
    expect((await inUse(documents)).notices).toEqual([]);
  });

  it('belong to one repository and branch: another one has a last good commit of its own', async () => {
    const [one, two] = [await Repository.make(), await Repository.make({ ...validFiles, ...broken })];
    const first = await open({ url: one.path });
    await first.documents.stop();
    const second = await open({ url: two.path }, { data: first.data });
    expect((await failure(second.documents.read())).code).toBe('document/invalid');
  });

  it('are looked for at once when somebody tells, and less and less often while that fails', async () => {
    const repository = await Repository.make();
    const { documents, look, lookWhenTold } = await open({ url: repository.path }, { pollMs: 3_600_000 });
    const commit = await repository.commit({ 'plans/weekly.yaml': `${plan}# told\n` });
    documents.tell();
    await lookWhenTold();
    expect((await inUse(documents)).commit).toBe(commit);
    await rename(repository.path, `${repository.path}-away`);
    expect(await look()).toBeGreaterThan(3_000_000);
    const pauses = [0, 1, 2, 3, 10].map((failures) => pauseMs(60_000, failures, 0.5));
    expect(pauses).toEqual([60_000, 120_000, 240_000, 480_000, 900_000]);
    expect([pauseMs(60_000, 0, 0), pauseMs(60_000, 0, 0.999), pauseMs(3_600_000, 5, 0.5)]).toEqual([
      54_000, 65_988, 3_600_000,
    ]);
    await rename(`${repository.path}-away`, repository.path);
  });

  it('survive the locks that a killed git leaves behind', async () => {
    const repository = await Repository.make();
    const { documents, look, data } = await open({ url: repository.path });
    const { readdir } = await import('node:fs/promises');
    const mirror = (await readdir(join(data, 'git'))).find((name) => name.endsWith('.git')) ?? '';
    for (const lock of ['refs/pitcrew/newest.lock', 'refs/pitcrew/used.lock', 'packed-refs.lock', 'config.lock']) {
      await writeFile(join(data, 'git', mirror, lock), '');
    }
    const commit = await repository.commit({ 'plans/weekly.yaml': `${plan}# on\n` });
    await look();
    expect(await inUse(documents)).toEqual({ commit, notices: [] });
  });
});

describe('what a commit holds', () => {
  async function messageFor(files: Parameters<Repository['commit']>[0], folders?: string[]): Promise<string> {
    const repository = await Repository.make();
    await repository.commit(files);
    const { documents } = await open({ url: repository.path, folders });
    return (await failure(documents.read())).message;
  }

  it('a link or a large file in the place of a document is an error, never left out', async () => {
    expect(await messageFor({ 'plans/z.yaml': { link: '/etc/hostname' } })).toContain('plans/z.yaml is a link');
    expect(await messageFor({ 'z.yaml': '#'.repeat(4 * 1024 * 1024 + 1) })).toContain('z.yaml cannot be read: it has');
  });

  it('a folder that is not there, or holds no document, is an error, never an empty set', async () => {
    expect(await messageFor({}, ['plans', 'nix'])).toMatch(/^there is no folder or file "nix" in commit [0-9a-f]{7}$/);
    expect(await messageFor({ 'notes/a.txt': 'a' }, ['notes'])).toMatch(/^there is no document in commit/);
    const repository = await Repository.make();
    const { documents } = await open({ url: repository.path, branch: 'nix' });
    expect(await failure(documents.read())).toMatchObject({
      code: 'git/not-found',
      message: expect.stringContaining('no such branch'),
    });
  });

  it('files beside a playbook are read from the same commit, and from nowhere else', async () => {
    const withFiles = `${playbook}    - ssh: { script: do.sh }\n    - ssh: { copy: { from: a.conf, to: /etc/a } }\n`;
    const repository = await Repository.make();
    const files = { 'playbooks/reboot.yaml': withFiles, 'playbooks/do.sh': 'echo one\n', 'playbooks/a.conf': 'a\n' };
    await repository.commit(files);
    await writeFile(join(repository.path, 'playbooks/do.sh'), 'echo uncommitted\n');
    const { documents, look } = await open({ url: repository.path });
    expect((await documents.read()).playbooks[0]?.spec.service.slice(1)).toEqual([
      { ssh: { run: 'echo one\n', timeoutMs: 600_000 } },
      { ssh: { copy: { content: 'a\n', to: '/etc/a' } } },
    ]);
    await repository.git('rm', '--quiet', '-f', 'playbooks/a.conf');
    await repository.commit({ 'playbooks/a.conf': { link: '/etc/passwd' } });
    await look();
    expect((await inUse(documents)).notices[0]).toContain(
      'cannot read playbooks/a.conf: it is a link, which is not followed',
    );
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n';
    await repository.git('rm', '--quiet', '-f', 'playbooks/a.conf');
    await repository.commit({ 'playbooks/a.conf': pointer });
    await look();
    expect((await inUse(documents)).notices[0]).toContain('it is kept in Git LFS');
  });

  it('a submodule among the documents is an error; its address is never visited', async () => {
    const repository = await Repository.make();
    const head = await repository.git('rev-parse', 'HEAD');
    await repository.git('update-index', '--add', '--cacheinfo', `160000,${head},plans/sub`);
    await writeFile(
      join(repository.path, '.gitmodules'),
      '[submodule "x"]\n path = plans/sub\n url = http://127.0.0.1:1/\n',
    );
    await repository.git('add', '.gitmodules');
    await repository.git('commit', '--quiet', '-m', 'sub');
    const { documents } = await open({ url: repository.path });
    expect((await failure(documents.read())).message).toContain('plans/sub is a submodule, which is not read');
  });

  it('hooks and filters of the repository are not run', async () => {
    const repository = await Repository.make({ ...validFiles, '.gitattributes': '* filter=evil ident\n' });
    const mark = join(await temporaryFolder(), 'mark');
    for (const hook of ['post-checkout', 'reference-transaction', 'post-merge', 'pre-auto-gc']) {
      await writeFile(join(repository.path, '.git/hooks', hook), `#!/bin/sh\ntouch ${mark}\n`);
      await chmod(join(repository.path, '.git/hooks', hook), 0o755);
    }
    await repository.git('config', 'filter.evil.smudge', `touch ${mark}`);
    const { documents, look } = await open({ url: repository.path });
    await look();
    expect((await documents.read()).plans).toHaveLength(1);
    const { existsSync } = await import('node:fs');
    expect(existsSync(mark)).toBe(false);
  });
});

describe('signed commits', () => {
  it('only a commit signed by somebody on the list is used; others are said with the reason', async () => {
    const keys = await temporaryFolder();
    const [anna, eve] = [await signingKey(keys, 'anna'), await signingKey(keys, 'eve')];
    const allowedSignersFile = join(keys, 'allowed');
    await writeFile(allowedSignersFile, anna.allowed);
    const repository = await Repository.make();
    const { documents, look } = await open({ url: repository.path, allowedSignersFile });
    expect(await failure(documents.read())).toMatchObject({
      code: 'git/signature',
      message: expect.stringMatching(/^commit [0-9a-f]{7} is not signed$/),
    });
    const signed = await repository.commit({ 'plans/weekly.yaml': `${plan}# signed\n` }, anna.file);
    await look();
    expect(await inUse(documents)).toEqual({ commit: signed, notices: [] });
    await repository.commit({ 'plans/weekly.yaml': `${plan}# by eve\n` }, eve.file);
    await look();
    expect(await inUse(documents)).toEqual({
      commit: signed,
      notices: [expect.stringContaining('is signed by a key that is not on the list of allowed signers')],
    });
    await repository.commit({}, anna.file);
    await look();
    expect((await inUse(documents)).notices).toEqual([]);
  });

  it('a signature that was moved to another commit counts for nothing', async () => {
    const keys = await temporaryFolder();
    const anna = await signingKey(keys, 'anna');
    const allowedSignersFile = join(keys, 'allowed');
    await writeFile(allowedSignersFile, anna.allowed);
    const repository = await Repository.make();
    await repository.commit({}, anna.file);
    const text = await repository.git('cat-file', 'commit', 'HEAD');
    await writeFile(join(keys, 'forged'), `${text.replace('change', 'forged')}\n`);
    const forged = await repository.git('hash-object', '-t', 'commit', '-w', join(keys, 'forged'));
    await repository.git('reset', '--quiet', '--hard', forged);
    const { documents } = await open({ url: repository.path, allowedSignersFile });
    expect((await failure(documents.read())).code).toBe('git/signature');
  });

  it('who is taken off the list vouches no more, also for the commit in use; a list that cannot be read lets nothing in', async () => {
    const keys = await temporaryFolder();
    const [anna, ben] = [await signingKey(keys, 'anna'), await signingKey(keys, 'ben')];
    const allowedSignersFile = join(keys, 'allowed');
    await writeFile(allowedSignersFile, anna.allowed);
    const repository = await Repository.make();
    await repository.commit({}, anna.file);
    const { documents, look } = await open({ url: repository.path, allowedSignersFile });
    expect((await inUse(documents)).notices).toEqual([]);
    await writeFile(allowedSignersFile, ben.allowed);
    await look();
    expect((await failure(documents.read())).message).toContain('not on the list');
    await rename(allowedSignersFile, `${allowedSignersFile}-away`);
    await look();
    expect((await failure(documents.read())).message).toContain('the list of allowed signers cannot be read');
  });
});
