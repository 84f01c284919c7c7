/** The ways to a repository, each over the real thing: OpenSSH, and git's own HTTP program. */
import { chmod, copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { environmentFor } from '../../../src/adapters/git/environment.ts';
import { runGit } from '../../../src/adapters/git/run-git.ts';
import { gitSettings, type GitOptions } from '../../../src/adapters/git/settings.ts';
import { makeCertificate } from '../../../src/lab/kubernetes/certificate.ts';
import { makeKey } from '../../../src/lab/ssh/keys.ts';
import { plan } from '../../spec/documents.ts';
import { freePort, secretFile, startSshd, type Sshd } from '../ssh/sshd.ts';
import { serveGit } from './git-http.ts';
import { open, Repository, temporaryFolder, type Opened } from './repository.ts';

async function rejection({ documents }: Opened): Promise<unknown> {
  return documents.read().then(
    () => 'it was read',
    (error: unknown) => error,
  );
}

describe('over SSH', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  function optionsFor(repository: Repository, more: Partial<GitOptions> = {}): GitOptions {
    const url = `ssh://${sshd.user}@127.0.0.1:${sshd.port}${repository.path}`;
    return { url, keyFile: sshd.privateKeyFile, knownHostsFile: sshd.knownHostsFile, ...more };
  }

  it('documents are fetched, and later commits too', async () => {
    const repository = await Repository.make();
    const { documents, look } = await open(optionsFor(repository));
    expect((await documents.read()).notices).toEqual([]);
    const commit = await repository.commit({ 'plans/weekly.yaml': `${plan}# more\n` });
    await look();
    expect((await documents.read()).commit).toBe(commit);
  });

  it('an unknown host key, a key that is not accepted and a missing repository are told apart', async () => {
    const repository = await Repository.make();
    const folder = await temporaryFolder();
    const nobody = join(folder, 'known hosts of 100%');
    await writeFile(nobody, '');
    expect(await rejection(await open(optionsFor(repository, { knownHostsFile: nobody })))).toMatchObject({
      code: 'git/host-key',
      disposition: 'halt',
    });
    const stranger = await secretFile(join(folder, 'stranger'), makeKey().private);
    expect(await rejection(await open(optionsFor(repository, { keyFile: stranger })))).toMatchObject({
      code: 'git/auth',
      message: expect.stringContaining('does not accept this SSH key'),
    });
    const open644 = join(folder, 'open');
    await copyFile(sshd.privateKeyFile, open644);
    await chmod(open644, 0o644);
    expect(await rejection(await open(optionsFor(repository, { keyFile: open644 })))).toMatchObject({
      code: 'git/auth',
      message: expect.stringContaining('the SSH key for the Git server cannot be used'),
    });
    const url = `ssh://${sshd.user}@127.0.0.1:${sshd.port}/nowhere.git`;
    expect(await rejection(await open(optionsFor(repository, { url })))).toMatchObject({ code: 'git/not-found' });
    const silent = `ssh://${sshd.user}@127.0.0.1:${await freePort()}/x`;
    expect(await rejection(await open(optionsFor(repository, { url: silent })))).toMatchObject({
      code: 'git/unreachable',
      disposition: 'retry',
    });
  });

  it('a server that falls silent is given up when the daemon ends, with everything that was started for it', async () => {
    const repository = await Repository.make();
    const { documents, data } = await open(optionsFor(repository));
    await documents.stop();
    sshd.wire.silence(true);
    const again = open(optionsFor(repository), { data });
    // The start waits for the first fetch; the hand of the clock stands still, so only the end gets it out of there.
    let ssh: number[] = [];
    for (let tries = 0; tries < 300 && ssh.length === 0; tries += 1) {
      await new Promise((resolve) => {
        setTimeout(resolve, 20);
      });
      ssh = await clientsOf(sshd.port);
    }
    expect(ssh.length).toBeGreaterThan(0);
    for (const pid of ssh) process.kill(pid, 'SIGTERM');
    const opened = await again;
    sshd.wire.silence(false);
    expect((await opened.documents.read()).notices?.[0]).toContain('the repository cannot be fetched since');
  });
});

/** Process ids of ssh clients that talk to this port. */
async function clientsOf(port: number): Promise<number[]> {
  const all = await commandLines();
  return all.filter(({ words }) => words[0] === 'ssh' && words.includes(String(port))).map(({ pid }) => pid);
}

async function commandLines(): Promise<{ pid: number; words: string[] }[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const read = await Promise.all(
    pids.map(async (pid) => {
      const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      return { pid: Number(pid), words: text.split('\0') };
    }),
  );
  return read.filter(({ words }) => words[0] !== '');
}

describe('over HTTP with a token', () => {
  const token = 'tok-5f0c7be1a9d24c3e';

  async function serve(user = 'git', isTls = false) {
    const repository = await Repository.make();
    const folder = await temporaryFolder();
    const certificate = isTls ? await makeCertificate(folder) : undefined;
    const http = await serveGit(join(repository.path, '..'), user, token, certificate);
    const tokenFile = await secretFile(join(folder, 'token'), `${token}\n`);
    const name = repository.path.split('/').at(-1) ?? '';
    return { repository, http, tokenFile, url: `${http.url}/${name}/.git`, caFile: join(folder, 'server.pem') };
  }

  it('documents are fetched, and later commits too', async () => {
    const { repository, tokenFile, url } = await serve();
    const { documents, look } = await open({ url, tokenFile });
    const commit = await repository.commit({ 'plans/weekly.yaml': `${plan}# more\n` });
    await look();
    expect(await documents.read()).toMatchObject({ commit, notices: [] });
  });

  it('the token is in no argument, log, error or file, while the process that needs it has it', async () => {
    const { http, tokenFile, url, repository } = await serve('ops-bot');
    const seen = { looks: 0, git: 0, holders: 0, leaks: [] as string[] };
    http.onRequest = async () => {
      seen.looks += 1;
      for (const { pid, words } of await commandLines()) {
        if (words.some((word) => word.includes(token))) seen.leaks.push(words.join(' '));
        if (!words.some((word) => word.includes('git-remote-http'))) continue;
        seen.git += 1;
        const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
        if (environment.includes(token)) seen.holders += 1;
      }
    };
    const opened = await open({ url: url.replace('http://', 'http://ops-bot@'), tokenFile });
    expect((await opened.documents.read()).notices).toEqual([]);
    // The first question comes without it.
    expect(http.seen[0]).toBe('');
    expect(http.seen.length).toBeGreaterThan(2);
    expect(seen.leaks).toEqual([]);
    expect(Math.min(seen.looks, seen.git, seen.holders)).toBeGreaterThan(1);
    await writeFile(tokenFile, 'another-token-0123\n');
    await opened.look();
    await repository.commit({});
    const notices = (await opened.documents.read()).notices ?? [];
    expect(notices[0]).toContain('the Git server wants another token');
    const said = JSON.stringify([opened.lines, notices]);
    for (const secret of [token, 'another-token-0123', Buffer.from(`ops-bot:${token}`).toString('base64')]) {
      expect(said).not.toContain(secret);
    }
    for (const file of await readdir(opened.data, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain(token);
    }
  });

  it('the token goes to nobody else: a redirect is an error that says so', async () => {
    const { http, tokenFile, url } = await serve();
    const other = await serve();
    http.instead = (answer) =>
      answer.writeHead(302, { location: `${other.url}/info/refs?service=git-upload-pack` }).end();
    expect(await rejection(await open({ url, tokenFile }))).toMatchObject({ code: 'git/settings' });
    expect(other.http.seen).toEqual([]);
  });

  it('a server that is overloaded is asked again, a missing token or repository is for a person', async () => {
    const { http, tokenFile, url } = await serve();
    expect(await rejection(await open({ url }))).toMatchObject({ code: 'git/auth', disposition: 'halt' });
    expect(await rejection(await open({ url: `${http.url}/nowhere.git`, tokenFile }))).toMatchObject({
      code: 'git/not-found',
    });
    http.instead = (answer) => answer.writeHead(503).end();
    expect(await rejection(await open({ url, tokenFile }))).toMatchObject({
      code: 'git/unreachable',
      disposition: 'retry',
    });
  });

  it('a token that others can read is refused before it is used', async () => {
    const { http, tokenFile, url } = await serve();
    await chmod(tokenFile, 0o644);
    expect(await rejection(await open({ url, tokenFile }))).toMatchObject({ code: 'secret/unreadable' });
    expect(http.seen).toEqual([]);
  });

  it('over TLS a server has to prove who it is, by an authority of ours where one is named; the token waits for that', async () => {
    const { http, tokenFile, url, caFile } = await serve('git', true);
    expect(await rejection(await open({ url, tokenFile }))).toMatchObject({
      code: 'git/unreachable',
      disposition: 'halt',
      message: expect.stringContaining('does not prove who it is'),
    });
    expect(http.seen).toEqual([]);
    const { documents } = await open({ url, tokenFile, caFile });
    expect((await documents.read()).notices).toEqual([]);
  });

  it('a server that never answers is given up after a while, with every process that was started for it', async () => {
    const { http, url } = await serve();
    let pids: number[] = [];
    http.onRequest = async () => {
      const ours = (await commandLines()).filter(({ words }) => words.some((word) => word.includes(http.url)));
      pids = ours.map(({ pid }) => pid);
      await new Promise(() => undefined);
    };
    const work = runGit({
      what: 'fetch',
      words: ['ls-remote', '--', url],
      env: environmentFor(gitSettings({ url }), { home: '/nonexistent', env: process.env }, undefined),
      signal: new AbortController().signal,
      timeoutMs: 1_500,
    });
    await expect(work).rejects.toMatchObject({
      code: 'git/unreachable',
      message: 'git fetch took too long and was ended',
    });
    expect(pids.length).toBeGreaterThan(1);
    const left = (await commandLines()).filter(({ pid, words }) => pids.includes(pid) && words.join(' ').includes(url));
    expect(left).toEqual([]);
  });
});
