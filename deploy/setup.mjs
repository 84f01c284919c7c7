/**
 * Makes this checkout ready to run: npm packages (which bring their own Node) and the Debian programs that the demo and
 * the tests talk to. Idempotent, and quick when there is nothing to do.
 *
 * Plain JavaScript for any Node from 20 on, because it is what runs before the project's own Node is there.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';

const root = path.join(import.meta.dirname, '..');
const stamp = path.join(root, 'node_modules', '.pitcrew-setup');

/** Program → Debian package. */
const programs = {
  'redis-server': 'redis-server',
  ipmitool: 'ipmitool',
  ipmi_sim: 'openipmi',
  sshd: 'openssh-server',
  'ssh-keygen': 'openssh-client',
  openssl: 'openssl',
  curl: 'curl',
  git: 'git',
};

function isInstalled(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args[0]} ended with exit code ${status}`);
}

function installNpmPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const isCurrent = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
  if (isCurrent) return;
  console.error('pitcrew: installing npm packages (once)');
  // Not `npm ci`: it refuses a lock file from which a mirror left out packages of other platforms; this installs the same
  // locked versions and leaves the lock file as it is.
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, lock);
}

async function agrees(question) {
  if (!process.stdin.isTTY || process.env.CI) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(question);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}

async function installPrograms() {
  const missing = Object.keys(programs).filter((program) => !isInstalled(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => programs[program]))];
  const line = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !(await agrees(`pitcrew needs ${packages.join(', ')}. Run "sudo ${line}"? [y/N] `))) {
    console.error(
      `pitcrew: ${missing.join(', ')} not found. Run this once, then try again:\n\n  sudo sh -c '${line}'\n`,
    );
    process.exitCode = 1;
    return;
  }
  console.error(`pitcrew: installing Debian packages (once): ${packages.join(' ')}`);
  // RUNLEVEL=1 keeps Debian from starting a system-wide redis-server and sshd: we start our own.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const [command, prefix] = isRoot ? ['apt-get', []] : ['sudo', ['-E', 'apt-get']];
  run(command, [...prefix, '-qq', 'update'], env);
  run(command, [...prefix, '-qq', '-y', 'install', '--no-install-recommends', ...packages], env);
}

try {
  installNpmPackages();
  await installPrograms();
} catch (error) {
  console.error(`pitcrew: set-up failed: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
