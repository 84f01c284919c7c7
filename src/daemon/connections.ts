/** One shell and one BMC per server, kept while the server's settings stay as they are. Opens nothing by itself. */
import { BmcLanes } from '../adapters/ipmitool/lanes.ts';
import { IpmitoolBmc } from '../adapters/ipmitool/ipmitool-bmc.ts';
import { SshShell } from '../adapters/ssh/ssh-shell.ts';
import type { SecretStore } from '../adapters/system/secrets.ts';
import type { Bmc } from '../ports/bmc.ts';
import type { Clock, Random } from '../ports/clock.ts';
import type { Connections } from '../ports/connections.ts';
import type { Shell } from '../ports/shell.ts';
import type { InventoryServer } from '../spec/inventory.ts';

export interface ConnectionsInput {
  readonly secrets: SecretStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly knownHostsFile: string;
  /** HOME of every `ipmitool`. */
  readonly ipmitoolHome?: string | undefined;
}

interface Kept {
  readonly settings: string;
  readonly bmc: Bmc;
  readonly shell: SshShell;
}

export class RealConnections implements Connections {
  readonly #input: ConnectionsInput;
  readonly #lanes: BmcLanes;
  readonly #kept = new Map<string, Kept>();

  constructor(input: ConnectionsInput) {
    this.#input = input;
    // One set of lanes for the whole process: two commands to one BMC never overlap, whoever asks.
    this.#lanes = new BmcLanes(input.clock);
  }

  bmcOf(server: InventoryServer): Bmc {
    return this.#of(server).bmc;
  }

  shellOf(server: InventoryServer): Shell {
    return this.#of(server).shell;
  }

  close(): void {
    for (const { shell } of this.#kept.values()) shell.close();
    this.#kept.clear();
  }

  #of(server: InventoryServer): Kept {
    const { address, ssh, bmc } = server;
    const settings = JSON.stringify({ address, ssh, bmc });
    const known = this.#kept.get(server.name);
    if (known?.settings === settings) return known;
    known?.shell.close();
    const fresh = { settings, bmc: this.#makeBmc(server), shell: this.#makeShell(server) };
    this.#kept.set(server.name, fresh);
    return fresh;
  }

  #makeBmc({ bmc }: InventoryServer): Bmc {
    return new IpmitoolBmc({
      target: bmc,
      readPassword: () => this.#input.secrets.read(bmc.password),
      lane: this.#lanes.of(bmc.address, bmc.port),
      minCommandIntervalMs: bmc.minCommandIntervalMs,
      home: this.#input.ipmitoolHome,
    });
  }

  #makeShell(server: InventoryServer): SshShell {
    const { secrets, clock, random, knownHostsFile } = this.#input;
    return new SshShell({ server, knownHostsFile }, { readSecret: (ref) => secrets.read(ref), clock, random });
  }
}
