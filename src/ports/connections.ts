/** Where the engine gets the connections to one server from. */
import type { InventoryServer } from '../spec/inventory.ts';
import type { Bmc } from './bmc.ts';
import type { Shell } from './shell.ts';

/** Hands out one Bmc and one Shell per server and keeps them; commands to one BMC never overlap. */
export interface Connections {
  bmcOf(server: InventoryServer): Bmc;
  shellOf(server: InventoryServer): Shell;
}
