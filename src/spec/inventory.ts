/** The Inventory document: the servers, how each is reached, and its labels. */
import { z } from 'zod';
import { Address, ApiVersion, Metadata, Name, SecretRef } from './values.ts';

const Port = z.int().min(1).max(65_535);

/** Becomes an argument of other programs, so it never begins with "-". */
const User = z.string().regex(/^[A-Za-z0-9_][^\s:]*$/, { error: 'a user name' });

const SshSettings = z.strictObject({
  user: User,
  port: Port,
  privateKey: SecretRef,
  /** `known_hosts`: the daemon's file of that name; or a fingerprint `SHA256:…` of this one server. */
  hostKey: z.union([z.literal('known_hosts'), z.string().regex(/^SHA256:[A-Za-z0-9+/]{43}=?$/)], {
    error: '"known_hosts", or a fingerprint like "SHA256:…"',
  }),
});

const BmcSettings = z.strictObject({
  protocol: z.literal('ipmi'),
  address: Address,
  port: Port,
  /** IPMI allows 16 characters. */
  user: User.max(16),
  password: SecretRef,
  /** As `ipmitool -C`; only 3 and 17 are considered secure. */
  cipherSuite: z.int().min(0).max(17),
  privilege: z.enum(['operator', 'administrator']),
  /** Least pause between two commands to this BMC: bursts freeze many of them (Ironic waits 5 s). */
  minCommandIntervalMs: z.int().min(0).max(60_000),
});

const ServerEntry = z.strictObject({
  name: Name,
  /** The Kubernetes node's name; the server's own where none is given. */
  node: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, { error: 'the name of a Kubernetes node' })
    .optional(),
  /** Where SSH finds it. */
  address: Address,
  labels: z.record(z.string(), z.string()).optional(),
  /** Which queue: workers of a site sit beside its BMC network. */
  site: Name.optional(),
  ssh: SshSettings.partial().optional(),
  bmc: BmcSettings.partial().optional(),
});

export const Inventory = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('Inventory'),
  metadata: Metadata,
  spec: z.strictObject({
    defaults: z
      .strictObject({
        site: Name.optional(),
        ssh: SshSettings.partial().optional(),
        bmc: BmcSettings.omit({ address: true }).partial().optional(),
      })
      .optional(),
    servers: z.array(ServerEntry).min(1),
  }),
});
export type Inventory = z.infer<typeof Inventory>;

/** One server with every default filled in: what the rest of the program works with. */
export interface InventoryServer {
  readonly name: string;
  readonly node: string;
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly site: string;
  readonly ssh: Readonly<z.infer<typeof SshSettings>>;
  readonly bmc: Readonly<z.infer<typeof BmcSettings>>;
}
