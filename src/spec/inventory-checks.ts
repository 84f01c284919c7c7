/**
 * The servers with their defaults filled in, and what can only be seen when all of them are looked at together.
 *
 * Two servers behind one address would mean that the wrong one is switched off, so any such pair is an error.
 */
import type { Inventory, InventoryServer } from './inventory.ts';
import type { Problem } from './problem.ts';
import type { SourceDocument, ValuePath } from './source.ts';

export interface Judged<T> {
  readonly source: SourceDocument;
  readonly value: T;
}

/** A server and where it stands. */
export interface PlacedServer {
  readonly source: SourceDocument;
  readonly at: ValuePath;
  readonly server: InventoryServer;
}

const builtIn = {
  site: 'default',
  ssh: { port: 22, hostKey: 'known_hosts' },
  // Operator is enough for power, boot device and event log, and less to lose than administrator.
  bmc: { protocol: 'ipmi', port: 623, cipherSuite: 17, privilege: 'operator', minCommandIntervalMs: 5_000 },
} as const;

const required = [
  ['ssh', 'user'],
  ['ssh', 'privateKey'],
  ['bmc', 'address'],
  ['bmc', 'user'],
  ['bmc', 'password'],
] as const;

const wantedForms: Readonly<Record<string, string>> = {
  'ssh.privateKey': '{ file: /path/to/key }',
  'bmc.password': '{ file: /path/to/password } or { env: NAME }',
};

type Entry = Inventory['spec']['servers'][number];

function fillDefaults(defaults: NonNullable<Inventory['spec']['defaults']>, entry: Entry) {
  return {
    name: entry.name,
    node: entry.node ?? entry.name,
    address: entry.address,
    labels: entry.labels ?? {},
    site: entry.site ?? defaults.site ?? builtIn.site,
    ssh: { ...builtIn.ssh, ...defaults.ssh, ...entry.ssh },
    bmc: { ...builtIn.bmc, ...defaults.bmc, ...entry.bmc },
  };
}

/** One problem per missing setting, however many servers lack it. */
function missingSettings(source: SourceDocument, filled: readonly ReturnType<typeof fillDefaults>[]): Problem[] {
  return required.flatMap(([group, setting]) => {
    const lacking = filled.flatMap((server, index) =>
      setting in server[group] ? [] : [{ name: server.name, at: ['spec', 'servers', index, 'name'] }],
    );
    const first = lacking[0];
    if (first === undefined) return [];
    const name = `${group}.${setting}`;
    const few = lacking.slice(0, 3).map((server) => server.name);
    const who =
      lacking.length === 1
        ? `server "${first.name}" has`
        : `${lacking.length} servers (${few.join(', ')}${lacking.length > few.length ? ', …' : ''}) have`;
    const hint =
      name === 'bmc.address'
        ? 'give every server its own bmc: { address: … }'
        : `set ${name} under "defaults" or at the server${wantedForms[name] ? `, as ${wantedForms[name]}` : ''}`;
    return [source.problemAt(first.at, { message: `${who} no ${name}`, hint })];
  });
}

export function serversOf({ source, value }: Judged<Inventory>): { servers: PlacedServer[]; problems: Problem[] } {
  const { defaults = {}, servers } = value.spec;
  const filled = servers.map((entry) => fillDefaults(defaults, entry));
  const problems = missingSettings(source, filled);
  if (problems.length > 0) return { servers: [], problems };
  const placed = filled.map((server, index) => ({
    source,
    at: ['spec', 'servers', index],
    // All required settings are there: that was just looked at.
    server: server as InventoryServer,
  }));
  return { servers: placed, problems: [] };
}

interface Identity {
  /** Two servers must not share it. */
  readonly of: (server: InventoryServer) => string;
  readonly at: (server: PlacedServer) => ValuePath;
  readonly message: (server: InventoryServer, other: InventoryServer, place: string) => string;
}

const addressOf = (address: string, port: number): string => `${address.toLowerCase()} ${port}`;

/** The field where the server itself says it, else the server's name: it came from a default. */
function placeOf(field: ValuePath) {
  return ({ source, at }: PlacedServer): ValuePath =>
    source.valueAt([...at, ...field]) === undefined ? [...at, 'name'] : [...at, ...field];
}

const identities: readonly Identity[] = [
  {
    of: (server) => server.name,
    at: placeOf(['name']),
    message: (server, _, place) => `server "${server.name}" stands in the inventory twice (${place})`,
  },
  {
    of: (server) => server.node,
    at: placeOf(['node']),
    message: (server, other, place) =>
      `server "${server.name}" is the same node as "${other.name}" (${server.node}, ${place})`,
  },
  {
    of: ({ bmc }) => addressOf(bmc.address, bmc.port),
    at: placeOf(['bmc', 'address']),
    message: (server, other, place) =>
      `server "${server.name}" has the same BMC address as "${other.name}" (${server.bmc.address}, ${place})`,
  },
  {
    of: ({ address, ssh }) => addressOf(address, ssh.port),
    at: placeOf(['address']),
    message: (server, other, place) =>
      `server "${server.name}" has the same SSH address as "${other.name}" (${server.address}, ${place})`,
  },
];

export function duplicateServers(servers: readonly PlacedServer[]): Problem[] {
  const problems: Problem[] = [];
  const copies = new Set<PlacedServer>();
  for (const { of, at, message } of identities) {
    const seen = new Map<string, PlacedServer>();
    for (const placed of servers) {
      // A line that was copied whole is one mistake, not four.
      if (copies.has(placed)) continue;
      const key = of(placed.server);
      const other = seen.get(key);
      if (other === undefined) {
        seen.set(key, placed);
        continue;
      }
      const place = other.source.placeAt(at(other), placed.source);
      problems.push(placed.source.problemAt(at(placed), { message: message(placed.server, other.server, place) }));
      copies.add(placed);
    }
  }
  return problems;
}
