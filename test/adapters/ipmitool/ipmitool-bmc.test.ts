/** How the program is run: what it is given, what it is not, and what happens to one that misbehaves. */
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { argumentsFor, environmentFor } from '../../../src/adapters/ipmitool/command.ts';
import { IpmitoolBmc, type IpmitoolOptions } from '../../../src/adapters/ipmitool/ipmitool-bmc.ts';
import { writeShortVendorList } from '../../../src/adapters/ipmitool/vendor-list.ts';
import { BmcLanes } from '../../../src/adapters/ipmitool/lanes.ts';
import { SystemClock } from '../../../src/adapters/system/system-clock.ts';
import { startLabBmcs } from '../../../src/lab/bmc/lab-bmcs.ts';
import { Machine } from '../../../src/simulator/machine.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';

const never = new AbortController().signal;
const clock = new SystemClock();
const target = { address: '127.0.0.1', port: 9, user: 'admin', cipherSuite: 3, privilege: 'operator' } as const;

describe('a program', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pitcrew-ipmitool-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  /** A stand-in for ipmitool that writes down how it was called. */
  const bmcRunning = async (script: string, more: Partial<IpmitoolOptions> = {}): Promise<IpmitoolBmc> => {
    const program = join(folder, 'ipmitool');
    await writeFile(program, `#!/bin/sh\necho "$*" >> ${folder}/calls\n${script}\n`);
    await chmod(program, 0o700);
    return new IpmitoolBmc({
      target,
      program,
      readPassword: async () => 'correct-horse',
      lane: new BmcLanes(clock).of(target.address, target.port),
      minCommandIntervalMs: 0,
      ...more,
    });
  };
  const calls = async (): Promise<string[]> =>
    (await readFile(join(folder, 'calls'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

  test('finds a short list of vendors in its home, and needs none', async () => {
    const home = join(folder, 'home');
    const script = 'cat "$HOME/.local/usr/share/misc/enterprise-numbers.txt" || true; echo Chassis Power is on';
    expect(await (await bmcRunning(script, { home })).readPower(never)).toBe('on');
    await writeShortVendorList(home);
    await writeShortVendorList(home);
    const bmc = await bmcRunning(`grep -q IBM "$HOME/.local/usr/share/misc/"* || exit 1; echo Chassis Power is on`, {
      home,
    });
    expect(await bmc.readPower(never)).toBe('on');
  });

  test('is given the password in its environment, a closed stdin, and nothing inherited', async () => {
    process.env['IPMI_PASSWORD'] = 'inherited';
    try {
      const bmc = await bmcRunning(
        `env > ${folder}/env; readlink /proc/self/fd/0 > ${folder}/stdin; echo Chassis Power is on`,
      );
      expect(await bmc.readPower(never)).toBe('on');
    } finally {
      delete process.env['IPMI_PASSWORD'];
    }
    const environment = await readFile(join(folder, 'env'), 'utf8');
    expect(environment).toContain('IPMITOOL_PASSWORD=correct-horse');
    expect(environment).not.toContain('inherited');
    expect((await readFile(join(folder, 'stdin'), 'utf8')).trim()).toBe('/dev/null');
    expect(await calls()).toEqual([expect.not.stringContaining('correct-horse')]);
  });

  test.for([
    ['', 'secret/unreadable'],
    ['twenty-one-characters', 'bmc/password'],
    ['zwanzig-Zeichen-äöüß', 'bmc/password'],
    ['two\nlines', 'bmc/password'],
  ] as const)('is not started with the password %j', async ([password, code]) => {
    const bmc = await bmcRunning('echo Chassis Power is on', { readPassword: async () => password });
    await expect(bmc.readPower(never)).rejects.toMatchObject({ code, disposition: 'halt' });
    expect(await calls()).toEqual([]);
  });

  test('is not started where the password cannot be read', async () => {
    const bmc = await bmcRunning('echo Chassis Power is on', {
      readPassword: async () => {
        throw new Error('no such file');
      },
    });
    await expect(bmc.requestPower('off', never)).rejects.toThrow('no such file');
    expect(await calls()).toEqual([]);
  });

  test('that is not there is named', async () => {
    const bmc = await bmcRunning('', { program: join(folder, 'nowhere') });
    await expect(bmc.readPower(never)).rejects.toMatchObject({ code: 'host/missing-program', disposition: 'halt' });
  });

  test('that never ends is killed, and the BMC counts as unreachable', async () => {
    const bmc = await bmcRunning(`echo $$ > ${folder}/pid; exec sleep 600`, { commandTimeoutMs: 300 });
    await expect(bmc.readPower(never)).rejects.toMatchObject({ code: 'bmc/unreachable', disposition: 'retry' });
    const pid = (await readFile(join(folder, 'pid'), 'utf8')).trim();
    await expect(readFile(`/proc/${pid}/cmdline`, 'utf8')).rejects.toThrow('ENOENT');
  });

  test('is killed by an abort, with the reason of the abort', async () => {
    const bmc = await bmcRunning('exec sleep 600');
    const controller = new AbortController();
    const reading = bmc.readPower(controller.signal);
    while ((await calls()).length === 0) await clock.sleep(10);
    controller.abort(new Error('daemon stops'));
    await expect(reading).rejects.toThrow('daemon stops');
  });

  test.for(['', 'Chassis Power is undecided', '\u0000\u0001'])('that answers %j is not believed', async (answer) => {
    const bmc = await bmcRunning(`printf '%s' '${answer.replaceAll('\u0000', '')}'`);
    await expect(bmc.readPower(never)).rejects.toMatchObject({ code: 'bmc/bad-answer', disposition: 'retry' });
    await expect(bmc.requestPower('on', never)).rejects.toMatchObject({ code: 'bmc/bad-answer' });
    await expect(bmc.setBootDevice('pxe', never)).rejects.toMatchObject({ code: 'bmc/bad-answer' });
  });

  test('that breaks off in a listing is not taken for a short listing', async () => {
    const line = '   1 |  Pre-Init  |0000001582| Power Unit #0x01 | Power off/down | Asserted';
    const bmc = await bmcRunning(`echo '${line}'; echo 'Get SEL Entry 2 command failed' >&2; exit 0`);
    await expect(bmc.readSel(never)).rejects.toMatchObject({ code: 'bmc/bad-answer', disposition: 'retry' });
  });

  test('a BMC that calls it an error to switch off what is off is asked what is true', async () => {
    const refusal = 'Set Chassis Power Control to Down/Off failed: Command not supported in present state';
    const off = `case "$*" in *status*) echo Chassis Power is off;; *) echo '${refusal}' >&2; exit 1;; esac`;
    const bmc = await bmcRunning(off);
    await bmc.requestPower('off', never);
    await expect(bmc.requestPower('on', never)).rejects.toMatchObject({ code: 'bmc/bad-answer' });
  });

  test('a boot device that the BMC takes and does not have is a lie', async () => {
    const bmc = await bmcRunning('echo "Boot parameter data: 8008000000"');
    await expect(bmc.setBootDevice('pxe', never)).rejects.toMatchObject({ code: 'bmc/lies', disposition: 'halt' });
    await bmc.setBootDevice('disk', never);
    expect((await calls()).map((call) => call.replace(/.* -v /, ''))).toEqual([
      'raw 0x00 0x08 0x03 0x08',
      'chassis bootdev pxe options=efiboot',
      'chassis bootparam get 5',
      'raw 0x00 0x08 0x03 0x08',
      'chassis bootdev disk options=efiboot',
      'chassis bootparam get 5',
    ]);
  });

  test('two commands at once run one after the other', async () => {
    const bmc = await bmcRunning(
      `echo begin >> ${folder}/log; sleep 0.2; echo end >> ${folder}/log; echo Chassis Power is on`,
    );
    await Promise.all([bmc.readPower(never), bmc.readPower(never), bmc.readPower(never)]);
    expect((await readFile(join(folder, 'log'), 'utf8')).trim().split('\n')).toEqual(
      Array.from({ length: 3 }, () => ['begin', 'end']).flat(),
    );
  });

  test('while it runs, no process shows the password on its command line', async () => {
    const machine = new Machine(
      { name: 'quiet', kernel: 'a', updatedKernel: 'b', bootMs: 10, shutdownMs: 10, faults: { bmcSilent: true } },
      clock,
      new SeededRandom(1),
    );
    const secret = 'xk4-visible-nowhere';
    const lab = await startLabBmcs([machine], { folder, user: 'pitcrew', password: secret });
    const controller = new AbortController();
    try {
      const endpoint = lab.endpoints.get('quiet') ?? { address: '', port: 0 };
      const bmc = new IpmitoolBmc({
        target: { ...target, ...endpoint, user: 'pitcrew' },
        readPassword: async () => secret,
        lane: new BmcLanes(clock).of(endpoint.address, endpoint.port),
        minCommandIntervalMs: 0,
      });
      const reading = bmc.readPower(controller.signal);
      let lines: string[] = [];
      // A silent BMC holds it up, so it is certainly there to be looked at.
      while (!lines.some((line) => line.includes(`-p\0${endpoint.port}\0`))) lines = await commandLines();
      expect(lines.filter((line) => line.includes(secret))).toEqual([]);
      controller.abort(new Error('seen'));
      await expect(reading).rejects.toThrow('seen');
    } finally {
      await lab.stop();
    }
  });
});

describe('the argument list', () => {
  test('names privilege, suite and patience, and reads with the least rights', () => {
    const timing = { answerSeconds: 2, tries: 3 };
    expect(argumentsFor(target, timing, ['sel', 'elist'], { readOnly: true }).join(' ')).toBe(
      '-I lanplus -H 127.0.0.1 -p 9 -U admin -E -C 3 -L USER -N 2 -R 3 -Z sel elist',
    );
    expect(argumentsFor(target, timing, ['chassis', 'power', 'on'], { verbose: true }).join(' ')).toBe(
      '-I lanplus -H 127.0.0.1 -p 9 -U admin -E -C 3 -L OPERATOR -N 2 -R 3 -Z -v chassis power on',
    );
  });

  test('the environment holds the password under the name that wins', () => {
    expect(environmentFor('pw', undefined)).toEqual({
      PATH: '/usr/bin:/bin',
      LC_ALL: 'C',
      TZ: 'UTC',
      IPMITOOL_PASSWORD: 'pw',
    });
  });
});

async function commandLines(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  return await Promise.all(pids.map(async (pid) => await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
}
