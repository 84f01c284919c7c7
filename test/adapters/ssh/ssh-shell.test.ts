/** What the contract does not ask: logins, keys and refusals of a real OpenSSH server. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../../src/adapters/ssh/host-keys.ts';
import { SshShell, type SshShellOptions } from '../../../src/adapters/ssh/ssh-shell.ts';
import { readSecret } from '../../../src/adapters/system/secrets.ts';
import { SystemClock, SystemRandom } from '../../../src/adapters/system/system-clock.ts';
import { command, failureOf } from '../../contract/shell.contract.ts';
import { secretFile, startSshd, type Sshd } from './sshd.ts';

const forever = new AbortController().signal;
const needs = { readSecret, clock: new SystemClock(), random: new SystemRandom() };

describe('SSH to a real server', () => {
  let sshd: Sshd;
  const shells: SshShell[] = [];
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(async () => {
    await sshd.stop();
  });
  afterEach(() => {
    for (const shell of shells.splice(0)) shell.close();
  });

  function shellOf(ssh: object = {}, more: Partial<SshShellOptions> = {}): SshShell {
    const login = {
      user: sshd.user,
      port: sshd.port,
      privateKey: { file: sshd.privateKeyFile },
      hostKey: 'known_hosts',
      ...ssh,
    };
    const server = { name: 'rack1-01', address: '127.0.0.1', ssh: login };
    const folders = { knownHostsFile: sshd.knownHostsFile, jobsFolder: join(sshd.folder, 'jobs') };
    const shell = new SshShell({ server, ...folders, elevate: 'none', ...more }, needs);
    shells.push(shell);
    return shell;
  }

  function program(name: string, text: string): void {
    writeFileSync(join(sshd.programs, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(sshd.programs, name), 0o755);
  }

  it.each(['ssh-ed25519', 'ssh-rsa'])('trusts a fingerprint of any of the server’s keys: %s', async (type) => {
    const { public: text = '' } = sshd.hostKeys.find((key) => key.type === type) ?? {};
    const hostKey = fingerprintOf(Buffer.from(text.split(' ')[1] ?? '', 'base64'));
    expect((await shellOf({ hostKey }).readFacts(forever)).bootId).not.toBe('');
  });

  it.each(['ssh-ed25519', 'ssh-rsa'])('asks for the key that known_hosts has: %s', async (type) => {
    const { public: text = '' } = sshd.hostKeys.find((key) => key.type === type) ?? {};
    const knownHostsFile = join(sshd.folder, `known_hosts_${type}`);
    writeFileSync(knownHostsFile, `[127.0.0.1]:${sshd.port} ${text}\n`);
    expect((await shellOf({}, { knownHostsFile }).readFacts(forever)).bootId).not.toBe('');
  });

  it('names every key that it was shown when none has the fingerprint', async () => {
    const error = await failureOf(shellOf({ hostKey: `SHA256:${'B'.repeat(43)}` }).readFacts(forever));
    expect(error.code).toBe('ssh/host-key');
    expect(String(error.details['fingerprint']).split(', ')).toHaveLength(2);
  });

  it('refuses a revoked key', async () => {
    const knownHostsFile = join(sshd.folder, 'known_hosts_revoked');
    const lines = sshd.hostKeys.flatMap((key) => [
      `[127.0.0.1]:${sshd.port} ${key.public}`,
      `@revoked * ${key.public}`,
    ]);
    writeFileSync(knownHostsFile, lines.join('\n'));
    const error = await failureOf(shellOf({}, { knownHostsFile }).readFacts(forever));
    expect(error).toMatchObject({ code: 'ssh/host-key', disposition: 'halt' });
    expect(error.message).toContain(`this key is revoked in ${knownHostsFile}:2`);
  });

  it('halts on a private key that is none, without saying what stands in it', async () => {
    const file = await secretFile(join(sshd.folder, 'no_key'), 'not-a-key-but-a-secret\n');
    const error = await failureOf(shellOf({ privateKey: { file } }).readFacts(forever));
    expect(error).toMatchObject({ code: 'ssh/auth', disposition: 'halt' });
    expect(JSON.stringify([error.message, error.details, String(error.cause)])).not.toContain('not-a-key');
  });

  it('goes through sudo for everybody but root, and repeats its words when that refuses', async () => {
    program('sudo', 'echo "$*" >&2; echo "sudo: a password is required" >&2; exit 1');
    const error = await failureOf(shellOf({}, { elevate: 'sudo' }).run(command('s.1', 'true'), forever));
    expect(error).toMatchObject({ code: 'ssh/refused', disposition: 'halt' });
    expect(error.message).toContain('-n /bin/sh -s sudo: a password is required');
    program('sudo', 'shift; PITCREW_WAS_SUDO=yes exec "$@"');
    const outcome = await shellOf({}, { elevate: 'sudo' }).run(command('s.2', 'echo $PITCREW_WAS_SUDO'), forever);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'yes\n' });
  });

  it('halts where jobs cannot be written', async () => {
    writeFileSync(join(sshd.folder, 'a_file'), '');
    const shell = shellOf({}, { jobsFolder: join(sshd.folder, 'a_file', 'jobs') });
    const error = await failureOf(shell.run(command('s.3', 'true'), forever));
    expect(error).toMatchObject({ code: 'ssh/refused', disposition: 'halt' });
    expect(error.message).toContain('cannot be written');
  });

  it('says so at once when the server refuses to reboot', async () => {
    for (const name of ['systemctl', 'shutdown', 'reboot']) program(name, `echo "${name} is not allowed" >&2; exit 1`);
    const error = await failureOf(shellOf().requestReboot('s.4', forever));
    expect(error).toMatchObject({ code: 'service/failed', disposition: 'halt' });
    expect(error.message).toContain('systemctl is not allowed');
  });

  it('finds failed units, and none where there is no systemd to ask', async () => {
    program('systemctl', 'echo "a.service loaded failed failed A"; echo "● b.service loaded failed failed B"');
    expect((await shellOf().readFacts(forever)).failedUnits).toEqual(['a.service', 'b.service']);
  });

  it('is not confused by what a login script says', async () => {
    program('sudo', 'shift; echo hello from the shell; echo stderr >&2; exec "$@"');
    const outcome = await shellOf({}, { elevate: 'sudo' }).run(command('s.5', 'echo only this'), forever);
    expect(outcome).toEqual({ kind: 'exited', exitCode: 0, tail: 'only this\n' });
  });

  it('keeps one connection for one server', async () => {
    const shell = shellOf();
    await Promise.all([shell.readFacts(forever), shell.readFacts(forever), shell.statusOf('none', forever)]);
    await shell.readFacts(forever);
    expect(sshd.wire.cut()).toBe(1);
  });

  it('shows no script in a process list of this machine', async () => {
    const shell = shellOf();
    mkdirSync(join(sshd.folder, 'seen'), { recursive: true });
    let listing: Promise<{ stdout: string }> | undefined;
    const onOutput = (): void => void (listing ??= promisify(execFile)('ps', ['axww', '-o', 'args']));
    await shell.run(command('s.6', 'password=tell-nobody-here; echo go; sleep 1', { onOutput }), forever);
    const { stdout } = (await listing) ?? { stdout: '' };
    expect(stdout.split('\n').length).toBeGreaterThan(3);
    expect(stdout).not.toContain('tell-nobody-here');
  });
});
