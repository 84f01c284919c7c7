/**
 * The texts that run on the servers: the files of `node/`, put together with the values of one move. Pure but for reading
 * those files once; it runs nothing.
 *
 * All values are ours or the servers' own, are quoted for the shell, and none of them is secret: keys are made on the
 * servers, and their private halves stay there.
 */
import { readFileSync } from 'node:fs';
import { InvariantError } from '../../errors/maintenance-error.ts';

/** For the shell: a word that means exactly this text. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function nodeFile(name: string): string {
  return readFileSync(new URL(`node/${name}`, import.meta.url), 'utf8');
}

type Values = Readonly<Record<string, string | number>>;

/** Assignments, one a line. */
export function assignments(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quoted(String(value))}\n`)
    .join('');
}

/** Commands that write files, whole or not at all; the caller has set `umask 077`. */
export function placed(files: Readonly<Record<string, string>>): string {
  return Object.entries(files)
    .map(([path, text]) => {
      if (text.includes('\nEOF_PITCREW\n')) throw new InvariantError(`${path} holds the mark that ends it`);
      const body = text === '' || text.endsWith('\n') ? text : `${text}\n`;
      return `cat >"${path}.new" <<'EOF_PITCREW' && mv "${path}.new" "${path}" || exit 1\n${body}EOF_PITCREW\n`;
    })
    .join('');
}

export interface SourceOrder {
  readonly moveId: string;
  /** Of the pod whose containers are taken. */
  readonly podUid: string;
  /** Containers with at least so much memory leave it behind and fetch it page by page; 0: none does. */
  readonly lazyFromBytes: number;
  /** Ports from here on carry those pages, on the loopback interface. */
  readonly firstPort: number;
  /** The address goes along, and so do the connections; else both end here. */
  readonly keepsAddress: boolean;
}

/** As the scripts test it: something, or nothing. */
function flag(isSet: boolean): string {
  return isSet ? 'yes' : '';
}

export function prepareSourceText({ keepsAddress, ...order }: SourceOrder): string {
  const values = assignments({ ...order, keepsAddress: flag(keepsAddress) });
  return `${values}${nodeFile('sockets.sh')}${nodeFile('calls.sh')}${nodeFile('source-prepare.sh')}`;
}

/** What the source has to say about the pod's containers. */
export interface SourceFacts {
  /** In which the containers were found; they do not outlive it. */
  readonly bootId: string;
  readonly publicKey: string;
  readonly containers: readonly string[];
  /** By container: what its standard streams are, as runc writes it down. */
  readonly streams: ReadonlyMap<string, string>;
  /** Those that leave their memory behind at first. */
  readonly lazyContainers: readonly string[];
  readonly mac: string;
  readonly mtu: number;
  readonly address: string;
  /** All that it has, of both families. */
  readonly addresses: readonly string[];
  readonly gateway: string;
  readonly bytes: number;
  /** On the target's loopback interface. */
  readonly remotePorts: readonly number[];
}

export interface TargetOrder {
  readonly moveId: string;
  readonly namespace: string;
  readonly initContainers: readonly string[];
  readonly sshUser: string;
  readonly source: SourceFacts;
  readonly keepsAddress: boolean;
}

/** For CRIU, beside what runc tells it: runc has no word for it. */
const closingConfig = 'tcp-close\n';

const packetSlack = 128;
/** For what is no memory: files, volumes, the container's own layer. */
const spareKib = 262_144;

export function prepareTargetText(order: TargetOrder): string {
  const { moveId, namespace, initContainers, sshUser, source, keepsAddress } = order;
  const neededKib = Math.ceil(source.bytes / 1_024);
  const env = assignments({
    namespace,
    containers: source.containers.join(' '),
    lazyContainers: source.lazyContainers.join(' '),
    initContainers: initContainers.join(' '),
    address: source.address,
    gateway: source.gateway,
    sourceMac: source.mac,
    packetMax: source.mtu + packetSlack,
    table: tableOf(moveId),
    keepsAddress: flag(keepsAddress),
    addresses: source.addresses.join(' '),
  });
  const values = assignments({
    moveId,
    sshUser,
    publicKey: source.publicKey,
    remotePorts: source.remotePorts.join(' '),
    needKib: 2 * neededKib + spareKib,
    roomKib: neededKib + spareKib,
  });
  const streams = [...source.streams].map(([name, text]) => [`images/${name}/descriptors.json`, text] as const);
  const files = placed({
    env,
    ...deciding,
    lib: nodeFile('target-lib.sh'),
    receive: nodeFile('target-receive.sh'),
    'restored/runc': nodeFile('target-runc.sh'),
    'bin/criu': nodeFile('target-criu.sh'),
    gate: nodeFile('target-gate.sh'),
    create: nodeFile('target-create.sh'),
    ...Object.fromEntries(streams),
    ...(!keepsAddress && { 'criu.conf': closingConfig }),
  });
  const folders = [...source.streams.keys()].map((name) => quoted(`images/${name}`)).join(' ');
  const make = `mkdir -p ${folders} || exit 1\n`;
  return `${values}${nodeFile('target-prepare.sh')}${make}${files}chmod 700 bin/criu\n${nodeFile('guard-pages.sh')}${nodeFile('target-open.sh')}`;
}

export function tableOf(moveId: string): string {
  return `pitcrew_${moveId.replaceAll(/[^a-z0-9]/g, '_')}`;
}

function sourceFolder(moveId: string): string {
  return `/run/pitcrew/moves/${moveId}.source`;
}

/** What a decision points to, and who asks for it. */
const deciding = { standby: nodeFile('standby.sh'), committed: '', aborted: '' };

export interface ConnectOrder {
  readonly moveId: string;
  readonly targetAddress: string;
  readonly targetPort: number;
  readonly sshUser: string;
  readonly hostKeys: readonly string[];
  /** In which the target was prepared. */
  readonly targetBootId: string;
  readonly keepsAddress: boolean;
}

/** AES in the processor is what keeps up with the link; the rest is there for servers without it. */
const ciphers = 'aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr';

/**
 * The pod's network is shut already, so CRIU need not shut each connection. Of the address that runc is told CRIU takes no notice
 * when pages are to be fetched later (`criu/cr-service.c` of 4.2: with `lazy_pages` the port alone), and it would listen to
 * the whole network.
 */
const sourceConfig = 'network-lock skip\naddress 127.0.0.1\n';

export function connectText(order: ConnectOrder): string {
  const { moveId, targetAddress, targetPort, sshUser, hostKeys, targetBootId, keepsAddress } = order;
  const move = sourceFolder(moveId);
  const config = `Host target
HostName ${targetAddress}
Port ${targetPort}
User ${sshUser}
HostKeyAlias target
UserKnownHostsFile ${move}/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
IdentityFile ${move}/key
IdentitiesOnly yes
BatchMode yes
Ciphers ${ciphers}
Compression no
ExitOnForwardFailure yes
ConnectTimeout 10
ServerAliveInterval 3
ServerAliveCountMax 3
`;
  const files = placed({
    known_hosts: hostKeys.map((key) => `target ${key}\n`).join(''),
    ...deciding,
    lib: nodeFile('source-lib.sh'),
    cut: nodeFile('source-cut.sh'),
    calls: nodeFile('calls.sh'),
    dump: nodeFile('source-dump.sh'),
    files: nodeFile('source-files.sh'),
    first: nodeFile('source-first.sh'),
    pack: nodeFile('source-pack.sh'),
    'bin/criu': nodeFile('source-criu.sh'),
    'source/runc': nodeFile('source-runc.sh'),
    ssh_config: config,
    'criu.conf': `${sourceConfig}${keepsAddress ? '' : closingConfig}`,
    'target-boot': targetBootId,
  });
  return `${assignments({ moveId, table: tableOf(moveId) })}umask 077
cd ${quoted(move)} || exit 1
${files}chmod 700 bin/criu
${nodeFile('guard-pages.sh')}[ ! -e forwards ] || cat forwards >>ssh_config
${nodeFile('source-connect.sh')}`;
}

/** Waits until the first container of the new pod stands at the target's door; `seconds` is the bound. */
export function awaitReadyText(moveId: string, seconds: number): string {
  return `cd ${quoted(`/run/pitcrew/moves/${moveId}`)} || { echo 'gone'; exit 0; }
n=0
until grep -q ' ready ' notes 2>/dev/null; do
  n=$((n + 1))
  if [ "$n" -ge ${seconds * 10} ]; then tail -n 5 notes log 2>/dev/null; echo 'late'; exit 0; fi
  sleep 0.1
done
echo ready`;
}

/** The pod's files, while it runs; what changes after that goes along in the freeze. */
export function firstCopyText(moveId: string): string {
  const move = sourceFolder(moveId);
  return `bash ${move}/first ${move}`;
}

export function cutText(moveId: string): string {
  const move = sourceFolder(moveId);
  return `[ -e ${move}/cut ] || { echo cleaned; exit 0; }
bash ${move}/cut ${move}
${reportText(move)}`;
}

/** Asks the target how it ended, or ends here what was cut short; answers as the cut itself does. */
export function cutAgainText(moveId: string): string {
  const move = sourceFolder(moveId);
  return `[ -e ${move}/cut ] || { echo cleaned; exit 0; }
bash ${move}/cut ${move} again
${reportText(move)}`;
}

function reportText(move: string): string {
  return `sed 's/^/note /' ${move}/notes; sed 's/^/fact targetBoot /' ${move}/target-boot`;
}

/**
 * Past the commit point, and only where it is proved that nothing runs on the target and nothing can begin there: the source
 * is the one copy there is, and runs on.
 */
export function reclaimText(moveId: string): string {
  const move = sourceFolder(moveId);
  return `[ -d ${move} ] || { echo cleaned; exit 0; }
[ ! -e ${move}/released ] || { echo moved; exit 0; }
exec 4>>${move}/cutting
flock -w 30 4 || { echo running; exit 0; }
ln -sfn aborted ${move}/decision
move=${move}
. ${move}/env
. ${move}/lib
[ ! -e ${move}/locked ] || resume_pod 4>&- >>${move}/log 2>&1
echo aborted`;
}

/** Before the commit point only: the first decision stands. */
export function abortText(moveId: string): string {
  const move = sourceFolder(moveId);
  return `[ -d ${move} ] || { echo aborted; exit 0; }
ln -s aborted ${move}/decision 2>/dev/null
readlink ${move}/decision`;
}

/** Tells the waiting containers of the target that nothing will come. */
export function abortTargetText(moveId: string): string {
  return `move=/run/pitcrew/moves/${moveId}
[ -d "$move" ] || { echo aborted; exit 0; }
. "$move/env"
. "$move/lib"
ln -s aborted "$move/decision" 2>/dev/null
wake
readlink "$move/decision"`;
}

/** The pod's kubelet may end its containers again, which nobody needs any more. */
export function cleanText(moveId: string, sshUser: string): string {
  return `${assignments({ moveId, sshUser })}${nodeFile('cleanup.sh')}`;
}

/** `fact KEY VALUE` lines, by key; a key may come several times. */
export function factsOf(output: string): ReadonlyMap<string, readonly string[]> {
  const facts = new Map<string, string[]>();
  for (const line of output.split('\n')) {
    const found = /^fact (\S+) ?(.*)$/.exec(line);
    if (!found) continue;
    const [, key = '', value = ''] = found;
    facts.set(key, [...(facts.get(key) ?? []), value.trim()]);
  }
  return facts;
}

export function sourceFactsOf(output: string): SourceFacts {
  const facts = factsOf(output);
  const one = (key: string): string => facts.get(key)?.[0] ?? '';
  const words = (key: string): string[] => one(key).split(' ').filter(Boolean);
  return {
    bootId: one('boot'),
    publicKey: one('key'),
    containers: words('containers'),
    streams: new Map((facts.get('streams') ?? []).map((fact) => pairOf(fact))),
    lazyContainers: words('lazy'),
    mac: one('mac'),
    mtu: Number(one('mtu')) || 1_500,
    address: one('address'),
    addresses: words('addresses'),
    gateway: one('gateway'),
    bytes: Number(one('bytes')) || 0,
    remotePorts: words('ports').map(Number),
  };
}

function pairOf(fact: string): [string, string] {
  const [name = '', ...rest] = fact.split(' ');
  return [name, rest.join(' ')];
}

/** The wrapper around runc, as it has to lie on the servers. */
export function wrapperText(): string {
  return nodeFile('pitcrew-runc.sh');
}

export function lookText(): string {
  return (nodeFile('sockets.sh') + nodeFile('facts.sh')).replace('@WRAPPER@\n', () => wrapperText());
}
