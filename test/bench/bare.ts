/**
 * The yardstick: what the protocols alone take on this machine, for the same questions that the engine asks a server
 * outside of evacuation, service and reboot. No journal, no queue, no decisions, nobody else at work.
 */
import { readAndParse } from '../../src/adapters/system/documents.ts';
import { SystemClock, SystemRandom } from '../../src/adapters/system/system-clock.ts';
import { SecretStore } from '../../src/adapters/system/secrets.ts';
import { RealConnections } from '../../src/daemon/connections.ts';
import type { Lab } from '../../src/lab/lab.ts';

export async function bareProtocolsMs(lab: Lab, signal: AbortSignal): Promise<number> {
  const { servers } = await readAndParse([lab.inventoryFolder]);
  const server = servers.find(({ name }) => name === 'spare');
  if (!server) throw new Error('the lab has no spare server');
  const clock = new SystemClock();
  const random = new SystemRandom();
  const { knownHostsFile } = lab;
  const connections = new RealConnections({ secrets: new SecretStore(), clock, random, knownHostsFile });
  const shell = connections.shellOf(server);
  const bmc = connections.bmcOf(server);
  const run = (id: string): Promise<unknown> =>
    shell.run({ id: `bare.${id}`, script: 'true', timeoutMs: 60_000 }, signal);
  try {
    const startMs = performance.now();
    // Preparing: the baseline, the probe, the preparation.
    await shell.readFacts(signal);
    await bmc.readPower(signal);
    await bmc.readSel(signal);
    await run('needed');
    await run('prepare');
    // Rejoining and verifying, over a connection that was lost with the reboot.
    connections.close();
    await shell.readFacts(signal);
    await bmc.readSel(signal);
    await bmc.readSensors(signal);
    await run('check');
    // Returning.
    await shell.forget('bare.', signal);
    return performance.now() - startMs;
  } finally {
    connections.close();
  }
}
