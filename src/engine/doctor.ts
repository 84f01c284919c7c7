/** Is everything reachable and allowed? One finding per subject; it only looks, and looks at many servers at once. */
import { errorCodes, type ErrorCode } from '../errors/codes.ts';
import { MaintenanceError } from '../errors/maintenance-error.ts';
import type { Right } from '../ports/cluster.ts';
import type { DocumentSource } from '../ports/documents.ts';
import type { InventoryServer } from '../spec/inventory.ts';
import { isLiveMover } from '../steps/ways.ts';
import type { Finding } from './operations.ts';
import type { EngineWorld } from './world.ts';

const probeMs = 30_000;
/** BMCs and servers are probed by so many at once. */
const atOnce = 20;

/** What is looked at. */
type Examined = Pick<EngineWorld, 'cluster' | 'connections' | 'movers'>;

export async function examine(
  world: Examined,
  documents: DocumentSource,
  describeStore: () => Promise<string>,
): Promise<Finding[]> {
  const { findings: aboutDocuments, servers } = await examineDocuments(documents);
  const findings = [
    ...aboutDocuments,
    ...(await examineCluster(world)),
    await probe('redis', 'redis', describeStore),
    ...(await examineMovers(world, aboutDocuments)),
  ];
  const queue = [...servers];
  const perServer: Finding[][] = [];
  const drain = async (): Promise<void> => {
    for (let server = queue.shift(); server; server = queue.shift()) {
      perServer.push(await examineServer(world, server));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, drain));
  const byName = perServer.flat().sort((a, b) => (a.subject < b.subject ? -1 : 1));
  return [...findings, ...byName];
}

/** Where none can be used there are no servers to look at, and everything else is worth knowing all the same. */
async function examineDocuments(
  source: DocumentSource,
): Promise<{ findings: Finding[]; servers: readonly InventoryServer[] }> {
  let servers: readonly InventoryServer[] = [];
  const notices: string[] = [];
  const inUse = await probe('documents', 'documents', async () => {
    const documents = await source.read();
    servers = documents.servers;
    notices.push(...(documents.notices ?? []));
    const from = documents.commit === undefined ? '' : `commit ${documents.commit.slice(0, 7)} · `;
    const { plans, playbooks } = documents;
    const counts = [counted(plans, 'plan'), counted(playbooks, 'playbook'), counted(servers, 'server')];
    return from + counts.join(' · ');
  });
  const troubles = notices.map((text): Finding => ({ area: 'documents', subject: 'documents', ok: false, text }));
  return { findings: [inUse, ...troubles], servers };
}

function counted({ length }: readonly unknown[], noun: string): string {
  return `${length} ${noun}${length === 1 ? '' : 's'}`;
}

async function probe(area: Finding['area'], subject: string, look: () => Promise<string>): Promise<Finding> {
  try {
    return { area, subject, ok: true, text: await look() };
  } catch (error) {
    if (!(error instanceof MaintenanceError)) throw error;
    return { area, subject, ok: false, text: error.message, ...advice(error.code) };
  }
}

function advice(code: ErrorCode): { code: ErrorCode; next?: string } {
  const { next } = errorCodes[code];
  return next === '' ? { code } : { code, next };
}

async function examineCluster({ cluster }: Examined): Promise<Finding[]> {
  const reach = await probe('kubernetes', 'kubernetes', async () => {
    const signal = AbortSignal.timeout(probeMs);
    const version = await cluster.version(signal);
    const { nodes } = await cluster.view(signal);
    return `${version}, ${nodes.length === 1 ? '1 node' : `${nodes.length} nodes`}`;
  });
  // It answers, and says no: which rights are missing can be asked, and all of them are worth knowing at once.
  if (!reach.ok && reach.code !== 'cluster/forbidden') return [reach];
  const missing = await cluster.missingRights(AbortSignal.timeout(probeMs));
  return [reach, ...missing.map(missingRight)];
}

function missingRight(right: Right): Finding {
  const resource = right.subresource === undefined ? right.resource : `${right.resource}/${right.subresource}`;
  const group = right.group === '' ? '' : ` in ${right.group}`;
  const next = 'grant it with deploy/kubernetes/rbac.yaml';
  return {
    area: 'kubernetes',
    subject: 'rights',
    ok: false,
    text: `missing: ${right.verb} ${resource}${group}`,
    code: 'cluster/forbidden',
    next,
  };
}

/**
 * One line for each live mover that is there, usable or not; and one for all that are not, with what is always there. Whether
 * one is there may hang on the inventory: what is wrong with the documents is said once, in their own line.
 */
async function examineMovers({ movers }: Examined, aboutDocuments: readonly Finding[]): Promise<Finding[]> {
  const signal = AbortSignal.timeout(probeMs);
  const findings: Finding[] = [];
  const absent: string[] = [];
  const unknown: string[] = [];
  const isSaid = ({ code }: Finding): boolean =>
    code !== undefined && aboutDocuments.some((finding) => finding.code === code);
  for (const mover of Object.values(movers).filter(({ name }) => isLiveMover(name))) {
    const finding = await probe('movers', mover.name, async () => {
      const detection = await mover.detect(signal);
      if (detection.kind === 'ready') return detection.text;
      if (detection.isWrong === true) throw new MaintenanceError('cluster/refused', 'halt', detection.because);
      absent.push(`${mover.name} (${detection.because})`);
      return '';
    });
    if (isSaid(finding)) unknown.push(mover.name);
    else if (finding.text !== '') findings.push(finding);
  }
  const always = Object.keys(movers).filter((name) => !isLiveMover(name));
  const text = [
    `${always.join(', ')} always`,
    ...(absent.length > 0 ? [`not there: ${absent.join(', ')}`] : []),
    ...(unknown.length > 0 ? [`not known until the documents are right: ${unknown.join(', ')}`] : []),
  ];
  return [{ area: 'movers', subject: 'movers', ok: true, text: text.join(' · ') }, ...findings];
}

async function examineServer(world: Examined, server: InventoryServer): Promise<Finding[]> {
  const signal = AbortSignal.timeout(probeMs);
  const ssh = await probe('server', server.name, async () => {
    const { kernel } = await world.connections.shellOf(server).readFacts(signal);
    return `ssh ok, ${kernel}`;
  });
  const bmc = await probe('server', server.name, async () => {
    const power = await world.connections.bmcOf(server).readPower(signal);
    return `bmc ok, power ${power}`;
  });
  const node = await probe('server', server.name, async () => {
    const found = await world.cluster.readNode(server.node, signal);
    if (!found) throw new MaintenanceError('cluster/not-found', 'halt', `Kubernetes has no node ${server.node}`);
    return found.ready ? 'node ready' : 'node not ready';
  });
  const parts = [ssh, bmc, node];
  const bad = parts.filter((part) => !part.ok);
  if (bad.length > 0) return bad;
  return [{ area: 'server', subject: server.name, ok: true, text: parts.map((part) => part.text).join(' · ') }];
}
