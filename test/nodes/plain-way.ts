/**
 * What a person would do by hand to take a running redis from one server to another: `runc checkpoint`, copy the images by tar
 * over SSH, `runc restore`, then let its address go over. The measure for the mover.
 *
 * As good as it gets without other means: images in memory, the cipher that is fastest, nothing waited for that need not be.
 */
import { chmod, copyFile, writeFile } from 'node:fs/promises';
import type { ClientKind, ClientProcess } from '../../src/lab/nodes/clients/client-process.ts';
import { ClientProcess as Client } from '../../src/lab/nodes/clients/client-process.ts';
import type { LabServer } from '../../src/lab/nodes/server.ts';
import { containers, ports } from '../../src/lab/nodes/workloads.ts';
import type { FreezeParts } from '../../src/ports/movers.ts';
import { layOutBundle } from './bundle.ts';
import type { TestLab } from './harness.ts';

/** Outside of the pool that the lab gives to pods. */
const address = '10.88.250.1';
const folder = '/run/plain';
const moveMs = 300_000;

/** A network of its own with the address, but no cable yet. */
const layOut = `
ip netns add plain
ip link add plain0 type veth peer name eth0 netns plain
ip -n plain link set eth0 address 02:00:00:00:fa:01
ip -n plain link set lo up
ip -n plain addr add ${address}/16 dev eth0
ip -n plain link set eth0 up
ip link set plain0 up`;

/** Runs on the source; says when each part was over. */
const go = `
set -e
ssh="ssh -F ${folder}/ssh_config $1"
cd ${folder}
now() { date +%s%N; }
rm -rf images && mkdir images
now
runc checkpoint --image-path images --work-path images --tcp-established --file-locks plain
ip link set plain0 nomaster
now
tar -cf - images | $ssh "rm -rf ${folder}/images && tar -C ${folder} -xf -"
now
$ssh "cd ${folder} && runc restore --detach --image-path images --work-path images --tcp-established --file-locks --bundle . plain \\
  </dev/null >/dev/null 2>&1"
now
$ssh "ip link set plain0 master cni0 && (ip netns exec plain arping -q -U -c 1 -I eth0 ${address} </dev/null >/dev/null 2>&1 &)"
now`;

export class PlainWay {
  readonly #test: TestLab;
  readonly #servers: readonly [LabServer, LabServer];
  #at = 0;

  private constructor(test: TestLab, servers: readonly [LabServer, LabServer]) {
    this.#test = test;
    this.#servers = servers;
  }

  static async start(test: TestLab): Promise<PlainWay> {
    const way = new PlainWay(test, [test.server('node-a'), test.server('node-b')]);
    for (const server of way.#servers) await way.#prepare(server);
    const [first] = way.#servers;
    await first.run(['sh', '-c', `cd ${folder} && runc run --detach plain </dev/null >/dev/null 2>&1`]);
    await first.run(['ip', 'link', 'set', 'plain0', 'master', 'cni0']);
    return way;
  }

  async client(client: ClientKind): Promise<ClientProcess> {
    return Client.start(this.#test.lab.network, client, address, ports.redis);
  }

  async move(): Promise<FreezeParts> {
    const [source, target] = this.#at === 0 ? this.#servers : this.#servers.toReversed();
    if (!source || !target) throw new Error('the plain way takes two servers');
    const { stdout } = await source.run(['sh', '-c', go, 'sh', target.address], { timeoutMs: moveMs });
    this.#at = 1 - this.#at;
    const [begun = 0n, dumped = 0n, copied = 0n, restored = 0n, announced = 0n] = stdout.trim().split('\n').map(BigInt);
    const ms = (from: bigint, to: bigint): number => Number((to - from) / 1_000_000n);
    return {
      dumpMs: ms(begun, dumped),
      transferMs: ms(dumped, copied),
      restoreMs: ms(copied, restored),
      networkMs: ms(restored, announced),
    };
  }

  async #prepare(server: LabServer): Promise<void> {
    await server.run(['sh', '-e', '-c', layOut]);
    // Its standard streams have to be its own: CRIU refuses files that lie outside.
    const command = `exec ${containers.redis.command.map((word) => `'${word}'`).join(' ')} </dev/null >/dev/null 2>&1`;
    await layOutBundle(server, { folder, args: ['sh', '-c', command], networkNamespace: '/run/netns/plain' });
    const key = server.inServer(`${folder}/key`);
    await copyFile(this.#test.lab.privateKeyFile, key);
    await chmod(key, 0o600);
    const options = ['IdentityFile /run/plain/key', 'StrictHostKeyChecking no', 'UserKnownHostsFile /dev/null'];
    options.push('LogLevel ERROR', 'Ciphers aes128-gcm@openssh.com', 'Compression no');
    await writeFile(server.inServer(`${folder}/ssh_config`), `${options.join('\n')}\n`);
  }
}
