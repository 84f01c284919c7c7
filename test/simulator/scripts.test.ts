import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Machine } from '../../src/simulator/machine.ts';
import { defaultScripts, packageWork } from '../../src/simulator/scripts.ts';
import { SeededRandom } from '../../src/simulator/seeded-random.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

function machine(): Machine {
  const kernels = { kernel: '6.1.0-1-amd64', updatedKernel: '6.1.0-2-amd64' };
  return new Machine({ name: 'a', ...kernels, bootMs: 1, shutdownMs: 1 }, new VirtualClock(0), new SeededRandom(1));
}

function runsOf(playbook: string, part: string): string[] {
  const file = new URL(`../../playbooks/${playbook}.yaml`, import.meta.url);
  const { spec } = parse(readFileSync(file, 'utf8')) as { spec: Record<string, { ssh?: { run: string } }[]> };
  return (spec[part] ?? []).flatMap(({ ssh }) => (ssh ? [ssh.run] : []));
}

describe('what a script does with packages', () => {
  it.each([
    ['apt-get -y install linux-image-amd64', 'install'],
    ['export DEBIAN_FRONTEND=noninteractive\napt-get -q -y dist-upgrade', 'install'],
    ['DEBIAN_FRONTEND=noninteractive apt-get -y \\\n  upgrade', 'install'],
    ['apt-get update && sudo -n apt-get -y install x', 'install'],
    ['if ! /usr/bin/dnf -y update; then exit 3; fi', 'install'],
    ['zypper -n patch', 'install'],
    ['apt-get -y --download-only install x', 'download'],
    ['dnf -y --downloadonly upgrade kernel', 'download'],
    ['apt-get -q update', 'list'],
    ['dnf -q check-update kernel', 'list'],
    ['apt-get -s install x', 'none'],
    ['echo "please run apt-get install x"', 'none'],
    ['# apt-get install x', 'none'],
    ['ls /boot', 'none'],
  ])('%s: %s', (script, work) => {
    expect(packageWork(script)).toBe(work);
  });

  it('is guessed right for the playbooks that come with the program', () => {
    for (const [name, install, download] of [
      ['kernel-update', 0, 2],
      ['kernel-update-rhel', 0, 2],
    ] as const) {
      expect(packageWork(runsOf(name, 'service')[install] ?? '')).toBe('install');
      expect(packageWork(runsOf(name, 'prepare')[download] ?? '')).toBe('download');
    }
  });
});

describe('a probe', () => {
  it.each(['kernel-update', 'kernel-update-rhel'])('of %s says yes until the updated kernel runs', (playbook) => {
    const [probe = ''] = runsOf(playbook, 'needed');
    const server = machine();
    const exitCode = (): number | undefined => defaultScripts()(probe, server)?.exitCode;
    expect(exitCode()).toBe(0);
    server.installUpdatedKernel();
    expect(exitCode()).toBe(0);
    server.kernel = server.newestKernel;
    expect(exitCode()).toBe(1);
  });

  it('says yes with the exit code that the playbook names', () => {
    const scripts = defaultScripts(new Map([['test "$(uname -r)" = newest', 1]]));
    const server = machine();
    expect(scripts('test "$(uname -r)" = newest', server)?.exitCode).toBe(1);
    server.installUpdatedKernel();
    server.kernel = server.newestKernel;
    expect(scripts('test "$(uname -r)" = newest', server)?.exitCode).toBe(0);
  });
});

describe('an installation', () => {
  it('takes effect at its end and not before', () => {
    const server = machine();
    const result = defaultScripts()('apt-get -y install linux-image-amd64', server);
    expect(server.needsReboot).toBe(false);
    result?.effect?.();
    expect(server.needsReboot).toBe(true);
  });
});
