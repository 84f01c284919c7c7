/** The Inventory document: the servers, how each is reached, and its labels. */
import { z } from 'zod';
import { Address, ApiVersion, kindMeta, Metadata, metadataMeta, Name, SecretRef, valueKind } from './values.ts';

const Port = z.int().min(1).max(65_535);

/** Becomes an argument of other programs, so it never begins with "-". */
const User = z.string().regex(/^[A-Za-z0-9_][^\s:]*$/, { error: 'a user name' });

const stated = '**required**, in `defaults` or at the server';

const Fingerprint = z
  .string()
  .regex(/^SHA256:[A-Za-z0-9+/]{43}=?$/)
  .meta(valueKind('fingerprint', 'Of an SSH host key, as `ssh-keygen -l` shows it: `SHA256:` and 43 characters'));

const SshSettings = z.strictObject({
  user: User.meta({ description: 'Who logs in; other than root needs `sudo` without a password', absent: stated }),
  port: Port.meta({ description: 'Port of SSH', absent: '`22`' }),
  privateKey: SecretRef.meta({ description: 'The key to log in with', absent: stated }),
  hostKey: z
    .union([z.literal('known_hosts'), Fingerprint], {
      error: '"known_hosts", or a fingerprint like "SHA256:…"',
    })
    .meta({
      description: 'How the server is known: by the daemon’s file `known_hosts`, or by its own fingerprint',
      absent: '`known_hosts`',
    }),
});

const BmcSettings = z.strictObject({
  protocol: z.literal('ipmi').meta({ description: 'How it is spoken to', absent: '`ipmi`' }),
  address: Address.meta({ description: 'Where the BMC is; no two servers share one', absent: '**required**' }),
  port: Port.meta({ description: 'UDP port of IPMI', absent: '`623`' }),
  user: User.max(16).meta({ description: 'Its account, at most 16 characters', absent: stated }),
  password: SecretRef.meta({ description: 'Its password', absent: stated }),
  cipherSuite: z
    .int()
    .min(0)
    .max(17)
    .meta({ description: 'As `ipmitool -C`: 17 for current BMCs, 3 for older ones', absent: '`17`' }),
  privilege: z
    .enum(['operator', 'administrator'])
    .meta({ description: 'What is asked for at login; `operator` is enough', absent: '`operator`' }),
  // Bursts freeze many of them (Ironic waits 5 s).
  minCommandIntervalMs: z
    .int()
    .min(0)
    .max(60_000)
    .meta({ description: 'Least pause between two commands to this BMC, in milliseconds', absent: '`5000`' }),
});

const ServerEntry = z.strictObject({
  name: Name.meta({ description: 'What people call it' }),
  node: z
    .string()
    .regex(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, { error: 'the name of a Kubernetes node' })
    .optional()
    .meta({ description: 'What Kubernetes calls its node', absent: 'its `name`' }),
  address: Address.meta({ description: 'Where SSH finds it' }),
  labels: z.record(z.string(), z.string()).optional().meta({ description: 'What plans choose it by', absent: 'none' }),
  site: Name.optional().meta({
    description: 'Which daemons work on it: those of its site, beside its BMC network',
    absent: 'that of `defaults`, else `default`',
  }),
  ssh: SshSettings.partial()
    .optional()
    .meta({ description: 'As `defaults.ssh`, where it is different for this server' }),
  bmc: BmcSettings.partial()
    .optional()
    .meta({ description: 'Its BMC: the address, and as `defaults.bmc`, where it is different for this server' }),
});

export const Inventory = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('Inventory').meta(kindMeta),
  metadata: Metadata.meta(metadataMeta),
  spec: z.strictObject({
    defaults: z
      .strictObject({
        site: Name.optional().meta({ description: 'Which daemons work on the servers', absent: '`default`' }),
        ssh: SshSettings.partial().optional().meta({ description: 'How the servers are reached' }),
        bmc: BmcSettings.omit({ address: true })
          .partial()
          .optional()
          .meta({ description: 'How their BMCs are reached' }),
      })
      .optional()
      .meta({ description: 'What holds for every server that says nothing else' }),
    servers: z.array(ServerEntry).min(1).meta({ description: 'The servers' }),
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
