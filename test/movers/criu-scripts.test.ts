/** What runs on the servers, as far as that can be seen without one. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as scripts from '../../src/movers/criu/scripts.ts';

const root = path.join(import.meta.dirname, '../..');
const nodeFolder = path.join(root, 'src/movers/criu/node');

const source: scripts.SourceFacts = {
  bootId: 'a0e1',
  publicKey: "ssh-ed25519 AAAA it's",
  containers: ['redis', 'sidecar'],
  streams: new Map([['redis', '["/dev/null","pipe:[7]"]']]),
  lazyContainers: ['redis'],
  mac: '02:00:00:00:00:01',
  mtu: 1_500,
  address: '10.88.1.2',
  addresses: ['10.88.1.2'],
  gateway: '10.88.0.1',
  bytes: 500_000_000,
  remotePorts: [20_001],
};
const moveId = 'pitcrew-db-0-0123456789ab';

describe('the scripts', () => {
  it('are all well-formed, alone and put together', () => {
    const files = readdirSync(nodeFolder);
    expect(files.length).toBeGreaterThan(10);
    const texts: [string, string, string][] = files.map((file) => {
      const text = readFileSync(path.join(nodeFolder, file), 'utf8');
      return [file, text.startsWith('#!/bin/bash') ? 'bash' : 'sh', text];
    });
    const from = { moveId, podUid: 'u', lazyFromBytes: 1, firstPort: 20_000, keepsAddress: false };
    const target = {
      moveId,
      namespace: 'default',
      initContainers: ['init'],
      sshUser: 'root',
      source,
      keepsAddress: false,
    };
    texts.push(
      ['look', 'sh', scripts.lookText()],
      ['source', 'sh', scripts.prepareSourceText(from)],
      ['target', 'sh', scripts.prepareTargetText(target)],
      ['ready', 'sh', scripts.awaitReadyText(moveId, 5)],
      ['clean', 'sh', scripts.cleanText(moveId, 'root')],
    );
    for (const [name, shell, text] of texts) {
      const { status, stderr } = spawnSync(shell, ['-n', '-c', text], { encoding: 'utf8' });
      expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: '' });
    }
  });

  it('get every value as it is, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (value) => {
        const script = `${scripts.assignments({ value })}printf %s "$value"`;
        expect(spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout).toBe(value);
      }),
      { numRuns: 30 },
    );
  });

  it('write their files as they are, and never a private key', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'pitcrew-place-'));
    try {
      const text = scripts.placed({ lib: "a 'b' $c `d` \\ \n", env: scripts.assignments({ it: "isn't" }) });
      expect(spawnSync('sh', ['-c', text], { cwd: folder }).status).toBe(0);
      expect(readFileSync(path.join(folder, 'lib'), 'utf8')).toBe("a 'b' $c `d` \\ \n");
      expect(readFileSync(path.join(folder, 'env'), 'utf8')).toBe("it='isn'\\''t'\n");
    } finally {
      await rm(folder, { recursive: true });
    }
    const connect = {
      moveId,
      targetAddress: '10.77.0.12',
      targetPort: 22,
      sshUser: 'root',
      hostKeys: ['ssh-ed25519 B'],
      targetBootId: 'b0e1',
      keepsAddress: true,
    };
    expect(scripts.connectText(connect)).not.toMatch(/PRIVATE KEY/);
  });

  it('find the sockets that go by the own address of a pod, of both families, and no others', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'pitcrew-sockets-'));
    try {
      await mkdir(path.join(folder, '42/net'), { recursive: true });
      // As Linux 6.18 shows them: what is printed is a word of 32 bits, so the bytes of an address stand backwards.
      const line = (local: string, remote: string, state: string, inode: number): string =>
        `   1: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 2 0000000022ce39c9 100 0\n`;
      const [any, none, six] = ['00000000:0000', '0'.repeat(32), '000088FD000000000000000007000000'];
      const files = {
        tcp: [
          line('0100007F:1B5A', any, '0A', 1),
          line('0708090A:1B58', any, '0A', 2),
          line('00000000:1B59', any, '0A', 3),
          line('0708090A:1B58', '0708090A:896C', '01', 4),
        ],
        tcp6: [
          line(`${'0'.repeat(24)}01000000:1B5D`, `${none}:0000`, '0A', 5),
          line(`${six}:1B5B`, `${none}:0000`, '0A', 6),
          line(`${none}:1B5C`, `${none}:0000`, '0A', 7),
        ],
        udp: [
          line('0708090A:0035', any, '07', 8),
          line('00000000:0036', any, '07', 9),
          line('FB0000E0:14E9', any, '07', 10),
          line('0708090A:DB50', '0100090A:0063', '01', 11),
        ],
        udp6: [
          line('0000000000000000FFFF00000708090A:0037', `${none}:0000`, '07', 12),
          line('0000000000000000FFFF00000100007F:0038', `${none}:0000`, '07', 13),
          line('000002FF0000000000000000FB000000:14EA', `${none}:0000`, '07', 14),
        ],
      };
      for (const [name, lines] of Object.entries(files)) {
        await writeFile(path.join(folder, '42/net', name), `  sl  local_address rem_address   st\n${lines.join('')}`);
      }
      const text = readFileSync(path.join(nodeFolder, 'sockets.sh'), 'utf8');
      const { stdout } = spawnSync('sh', ['-c', `proc=$1\n${text}\nown_sockets 42`, 'sh', folder], {
        encoding: 'utf8',
      });
      expect(stdout.split('\n')).toEqual([
        'tcp 10.9.8.7:7000 2',
        'tcp [fd88:0000:0000:0000:0000:0000:0000:0007]:7003 6',
        'udp 10.9.8.7:53 8',
        'udp 10.9.8.7:56144 11',
        'udp 10.9.8.7:55 12',
        '',
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('close connections in CRIU where the address is another one, and never where it goes along', () => {
    for (const keepsAddress of [true, false]) {
      const connect = {
        moveId,
        targetAddress: 'a',
        targetPort: 22,
        sshUser: 'root',
        hostKeys: [],
        targetBootId: 'b0e1',
        keepsAddress,
      };
      const target = { moveId, namespace: 'default', initContainers: [], sshUser: 'root', source, keepsAddress };
      expect(scripts.connectText(connect).includes('tcp-close')).toBe(!keepsAddress);
      expect(scripts.prepareTargetText(target).includes('tcp-close')).toBe(!keepsAddress);
    }
  });

  it('tell facts apart by their keys, and read what a source says', () => {
    const output =
      'noise\nfact boot 77-01\nfact key ssh-ed25519 AAAA x\nfact containers a b\nfact streams a ["/dev/null", "pipe:[7]"]\nfact streams b null\nfact lazy b\nfact bytes 12\nfact mtu 9000\nfact ports 7 9\nprepared\n';
    expect(scripts.sourceFactsOf(output)).toMatchObject({
      bootId: '77-01',
      publicKey: 'ssh-ed25519 AAAA x',
      containers: ['a', 'b'],
      streams: new Map([
        ['a', '["/dev/null", "pipe:[7]"]'],
        ['b', 'null'],
      ]),
      lazyContainers: ['b'],
      bytes: 12,
      mtu: 9_000,
      remotePorts: [7, 9],
    });
  });

  it('name a table of nft for every move', () => {
    expect(scripts.tableOf('pitcrew-a.b-1-0f')).toBe('pitcrew_pitcrew_a_b_1_0f');
  });

  it('of the playbook hold the very same wrapper that the mover looks for', () => {
    expect(readFileSync(path.join(root, 'playbooks/pitcrew-runc.sh'), 'utf8')).toBe(scripts.wrapperText());
    expect(scripts.lookText()).toContain(scripts.wrapperText());
  });
});

/** Only where no move is under way on this machine, which is everywhere but in a node lab. */
describe.skipIf(existsSync('/run/pitcrew/moves'))('the wrapper without a move', () => {
  let folder = '';
  const wrapper = path.join(nodeFolder, 'pitcrew-runc.sh');

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'pitcrew-wrapper-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  async function callWith(runc: string, args: readonly string[]): Promise<ReturnType<typeof spawnSync>> {
    await writeFile(path.join(folder, 'runc'), `#!/bin/sh\n${runc}\n`);
    await chmod(path.join(folder, 'runc'), 0o755);
    return spawnSync('sh', [wrapper, ...args], { encoding: 'utf8', env: { PATH: `${folder}:/usr/bin:/bin` } });
  }

  it('is runc: arguments, streams and exit code', async () => {
    const args = ['--root', '/a b', 'create', '--bundle', '/x', "it's", ''];
    const { stdout, stderr, status } = await callWith('printf "<%s>" "$@"; echo e >&2; exit 41', args);
    expect({ stdout, stderr, status }).toEqual({
      stdout: "<--root></a b><create><--bundle></x><it's><>",
      stderr: 'e\n',
      status: 41,
    });
  });

  it('is runc: it is the same process, and ends by the same signal', async () => {
    expect((await callWith('kill -KILL $$', ['kill', 'id', '15'])).signal).toBe('SIGKILL');
  });
});
