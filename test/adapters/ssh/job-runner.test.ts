/** The job runner's text in real shells, without a wire: what happens when somebody dies at the wrong moment. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followText, forgetText, statusText, type Follow } from '../../../src/adapters/ssh/job-runner.ts';
import { pause } from './sshd.ts';

interface Reply {
  readonly stdout: string;
  readonly stderr: string;
}

/** RHEL's `/bin/sh` is bash, Debian's is dash. */
const shells: readonly (readonly [string, ...string[]])[] = [
  ['dash', '-s'],
  ['bash', '--posix', '-s'],
];

describe.each(shells)('the job runner in %s', (program, ...options) => {
  let folder: string;
  let settings: { nonce: string; jobsFolder: string; bootIdFile: string };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pitcrew-jobs-'));
    settings = { nonce: 'nonce', jobsFolder: join(folder, 'jobs'), bootIdFile: join(folder, 'boot_id') };
    writeFileSync(settings.bootIdFile, 'boot-1\n');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function sh(text: string): Promise<Reply> {
    const child = spawn(program, options, { stdio: ['pipe', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (data: Buffer) => void (stdout += data.toString()));
    child.stderr.on('data', (data: Buffer) => void (stderr += data.toString()));
    child.stdin.on('error', () => undefined);
    child.stdin.end(text);
    await new Promise((resolve) => {
      child.once('close', resolve);
    });
    return { stdout, stderr };
  }

  function follow(id: string, script?: string, more: Partial<Follow> = {}): string {
    const start = script === undefined ? undefined : { script, timeoutSeconds: 60 };
    return followText(settings, { id, offset: 0, watchSeconds: 20, start, ...more });
  }

  const marked = (rest = ''): string => `echo x >>'${join(folder, 'mark')}'\n${rest}`;
  const marks = (): number => {
    const file = join(folder, 'mark');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;
  };

  it('runs a script and says how it ended', async () => {
    const { stdout, stderr } = await sh(follow('j', `${marked()}echo out; echo err >&2; exit 3`));
    expect(stdout).toBe('nonce\nout\nerr\n');
    expect(stderr).toBe('nonce claimed\nnonce exited 3 thisBoot\n');
    expect(marks()).toBe(1);
  });

  it('goes on from the byte that is known already', async () => {
    await sh(follow('j', 'echo abcdef'));
    expect((await sh(follow('j', undefined, { offset: 4 }))).stdout).toBe('nonce\nef\n');
  });

  it('does nothing at all when its text is cut anywhere', async () => {
    const text = follow('j', marked('echo never'));
    const scriptAt = text.indexOf(marked());
    const cuts = new Set([1, scriptAt, scriptAt + 8, scriptAt + marked().length, text.length - 12]);
    for (let at = 50; at < text.length - 12; at += 300) cuts.add(at);
    expect(cuts.size).toBeGreaterThan(10);
    for (const at of cuts) await sh(text.slice(0, at));
    await pause(300);
    expect(existsSync(settings.jobsFolder)).toBe(false);
    expect(marks()).toBe(0);
  });

  it('starts a job whose folder was made and that nobody claimed', async () => {
    mkdirSync(join(settings.jobsFolder, 'j'), { recursive: true });
    writeFileSync(join(settings.jobsFolder, 'j', 'script.1'), marked().slice(0, 4));
    expect((await sh(statusText(settings, 'j'))).stderr).toBe('nonce unknown\n');
    expect((await sh(follow('j', marked('exit 2')))).stderr).toContain('nonce exited 2 thisBoot');
    expect(marks()).toBe(1);
  });

  it('follows without starting when it is not told to start', async () => {
    expect((await sh(follow('j'))).stderr).toBe('nonce unknown\n');
    expect(existsSync(settings.jobsFolder)).toBe(false);
  });

  it('calls a job lost whose supervisor died in the same boot', async () => {
    const start = { script: marked('echo begun; sleep 3'), timeoutSeconds: 5 };
    const running = sh(follow('j', undefined, { start }));
    await expect.poll(marks, { timeout: 10_000 }).toBe(1);
    const [, pid] = readlinkSync(join(settings.jobsFolder, 'j', 'started')).split('.');
    process.kill(Number(pid), 'SIGKILL');
    const { stdout, stderr } = await running;
    expect(stdout).toBe('nonce\nbegun\n');
    expect(stderr).toBe('nonce claimed\nnonce lost\n');
    expect((await sh(follow('j', marked()))).stderr).toContain('nonce lost');
    expect(marks()).toBe(1);
  });

  it('does not take another process for the supervisor that once had its number', async () => {
    mkdirSync(join(settings.jobsFolder, 'j'), { recursive: true });
    await promisify(execFile)('ln', ['-s', `boot-1.${process.pid}.1`, join(settings.jobsFolder, 'j', 'started')]);
    expect((await sh(statusText(settings, 'j'))).stderr).toBe('nonce lost\n');
  });

  it('runs a job once although many start it at the same moment', async () => {
    const text = follow('j', marked('sleep 1; exit 5'));
    const replies = await Promise.all(Array.from({ length: 6 }, () => sh(text)));
    for (const { stderr } of replies) expect(stderr).toBe('nonce claimed\nnonce exited 5 thisBoot\n');
    expect(replies).toHaveLength(6);
    expect(marks()).toBe(1);
  });

  it('knows after a reboot that the end belongs to an earlier boot', async () => {
    await sh(follow('j', 'exit 0'));
    writeFileSync(settings.bootIdFile, 'boot-2\n');
    expect((await sh(follow('j', marked()))).stderr).toBe('nonce claimed\nnonce exited 0 earlierBoot\n');
    expect(marks()).toBe(0);
  });

  it('leaves no watchdog behind, however short a script is', async () => {
    for (let n = 0; n < 10; n += 1) await sh(follow(`short.${n}`, 'exit 0'));
    const { stdout } = await promisify(execFile)('ps', ['axww', '-o', 'args']);
    expect(stdout.split('\n').length).toBeGreaterThan(3);
    expect(stdout.split('\n').filter((line) => line.includes(settings.jobsFolder))).toEqual([]);
  });

  it('ends a script at its bound although the supervisor is gone', async () => {
    const start = { script: marked('sleep 30; echo y'), timeoutSeconds: 3 };
    const running = sh(follow('j', undefined, { start }));
    await expect.poll(marks, { timeout: 10_000 }).toBe(1);
    const [, pid] = readlinkSync(join(settings.jobsFolder, 'j', 'started')).split('.');
    process.kill(Number(pid), 'SIGKILL');
    expect((await running).stderr).toContain('nonce lost');
    const scripts = async (): Promise<number> => {
      const { stdout } = await promisify(execFile)('ps', ['axww', '-o', 'args']);
      return stdout.split('\n').filter((line) => line.startsWith(`sh ${settings.jobsFolder}/j/script`)).length;
    };
    expect(await scripts()).toBe(1);
    await expect.poll(scripts, { timeout: 10_000 }).toBe(0);
  });

  it('leaves nothing of the script behind once it ended', async () => {
    await sh(follow('j', "echo 'a secret' >/dev/null"));
    await pause(300);
    const { stdout } = await promisify(execFile)('ls', ['-A', join(settings.jobsFolder, 'j')]);
    expect(stdout.split('\n').filter((name) => /script|supervisor|pipe/.test(name))).toEqual([]);
    await sh(forgetText(settings, 'j'));
    expect(existsSync(join(settings.jobsFolder, 'j'))).toBe(false);
  });

  it('gives the script the file mode and folder that it would have had', async () => {
    const umask = process.umask();
    const { stdout } = await sh(follow('j', 'umask; pwd'));
    expect(stdout).toBe(`nonce\n${umask.toString(8).padStart(4, '0')}\n/\n`);
  });

  it('ends a script at its bound although its folder is gone', async () => {
    const start = { script: marked('sleep 33'), timeoutSeconds: 2 };
    const running = sh(follow('j', undefined, { start }));
    await expect.poll(marks, { timeout: 10_000 }).toBe(1);
    rmSync(join(settings.jobsFolder, 'j'), { recursive: true });
    await running;
    const sleeps = async (): Promise<number> => {
      const { stdout } = await promisify(execFile)('ps', ['axww', '-o', 'args']);
      return stdout.split('\n').filter((line) => line.startsWith(`sh ${settings.jobsFolder}/j/script`)).length;
    };
    await expect.poll(sleeps, { timeout: 10_000 }).toBe(0);
  });

  it('refuses ids that would lead out of its folder', () => {
    for (const id of ['..', '../x', 'a/b', '', '.hidden', 'a b', "a'b"])
      expect(() => statusText(settings, id)).toThrow('is no command id');
  });
});
