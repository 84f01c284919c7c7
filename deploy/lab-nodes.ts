/**
 * `npm run lab:nodes`: the tests on servers as namespaces with real containers; `-- --campaign` does everything as often as the
 * figures in docs/measurements.md need. `-- --hold` starts two servers and says how to get in, until it is interrupted.
 *
 * Needs root on a Linux machine; where that, or something of the kernel, is missing it says so in one line and ends with 4.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { SystemClock, SystemRandom } from '../src/adapters/system/system-clock.ts';
import { whyNot } from '../src/lab/nodes/machine-check.ts';
import { startNodeLab } from '../src/lab/nodes/node-lab.ts';

const refused = 4;
const names = ['node-a', 'node-b', 'node-c'];

async function hold(count: number): Promise<void> {
  const lab = await startNodeLab({
    names: names.slice(0, count),
    clock: new SystemClock(),
    random: new SystemRandom(),
    say: (text, facts) => console.error(text, facts ?? ''),
  });
  try {
    console.log(`kubeconfig   ${lab.kubernetes.kubeconfigFile} (context admin)`);
    console.log(`inventory    ${lab.inventoryFolder}`);
    for (const [name, server] of lab.servers) {
      console.log(`${name}       nsenter --target ${server.first.pid} --all bash`);
      console.log(
        `             ssh -i ${lab.privateKeyFile} -o UserKnownHostsFile=${lab.knownHostsFile} -p ${lab.sshPorts.get(name)} root@127.0.0.1`,
      );
    }
    console.log(`clients      nsenter --target ${lab.network.first.pid} --net bash`);
    console.log('Ctrl-C ends it.');
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
  } finally {
    await lab.stop();
  }
}

function runTests(isCampaign: boolean): number {
  const env = { ...process.env, PITCREW_CAMPAIGN: isCampaign ? '1' : '' };
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, 'test.mjs'), 'nodes'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  return status ?? 1;
}

const { values } = parseArgs({
  options: { hold: { type: 'boolean' }, campaign: { type: 'boolean' }, servers: { type: 'string', default: '2' } },
});
const reason = await whyNot();
if (reason !== undefined) {
  console.error(`lab:nodes cannot run here: ${reason}`);
  process.exitCode = refused;
} else if (values.hold === true) {
  await hold(Number(values.servers));
} else {
  process.exitCode = runTests(values.campaign === true);
}
