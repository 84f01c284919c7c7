/**
 * A real BMC on the loopback for each chassis: one `ipmi_sim` process, and a relay in front that plays its faults.
 *
 * What is real: sessions, encryption (cipher suite 3, the only one of `ipmi_sim`), power, boot device, event log,
 * sensors. What is not: the log's clock runs from the start of the process, boot flags are never marked valid, and an
 * event that `emulation.ts` does not know keeps only its severity.
 */
import { mkdir } from 'node:fs/promises';
import type { Chassis } from './chassis.ts';
import { IpmiSim, writeDoor, type Credentials } from './ipmi-sim.ts';
import { BmcRelay } from './relay.ts';

interface LabBmcEndpoint {
  readonly address: string;
  readonly port: number;
  /** The only one that `ipmi_sim` speaks. */
  readonly cipherSuite: 3;
  readonly processId: number;
}

export interface LabBmcs {
  /** By the name of the chassis. */
  readonly endpoints: ReadonlyMap<string, LabBmcEndpoint>;
  stop(): Promise<void>;
}

/** Starting is mostly waiting for the new process; more at once only make each slower. */
const startsAtOnce = 8;

export async function startLabBmcs(
  all: readonly Chassis[],
  options: Credentials & { readonly folder: string },
): Promise<LabBmcs> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const door = await writeDoor(options.folder);
  const running: { stop(): Promise<void> }[] = [];
  const endpoints = new Map<string, LabBmcEndpoint>();
  const stop = async (): Promise<void> => {
    await Promise.all(running.splice(0).map(async (part) => await part.stop()));
  };
  const waiting = [...all];
  const starter = async (): Promise<void> => {
    for (let chassis = waiting.shift(); chassis; chassis = waiting.shift()) {
      const sim = await IpmiSim.start(chassis, options, door, options.folder);
      running.push(sim);
      const relay = await startRelay(chassis, sim);
      running.push(relay);
      endpoints.set(chassis.name, {
        address: '127.0.0.1',
        port: relay.port,
        cipherSuite: 3,
        processId: sim.processId,
      });
    }
  };
  // All starters are waited for, also when one fails: none may start something after the clean-up.
  const outcomes = await Promise.allSettled(Array.from({ length: startsAtOnce }, starter));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason as Error;
  }
  return { endpoints, stop };
}

async function startRelay({ faults }: Chassis, sim: IpmiSim): Promise<BmcRelay> {
  return await BmcRelay.start(sim.port, {
    isSilent: () => faults.bmcSilent,
    takeBusy: () => {
      if (faults.bmcBusyTimes <= 0) return false;
      faults.bmcBusyTimes -= 1;
      return true;
    },
    refusesPassword: () => faults.bmcRefusesPassword,
    onSession: () => sim.update(),
  });
}
