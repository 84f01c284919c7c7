/**
 * Decides whether the key that a server shows is the one that people wrote down: in an OpenSSH known_hosts file, or as
 * a fingerprint in the inventory. It never learns a key by itself: trust on first use is no trust for a machine that
 * reboots servers.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export type HostKeyVerdict =
  | { readonly kind: 'trusted' }
  /** Nothing is written down for this server. */
  | { readonly kind: 'unknown' }
  /** Something else is written down: `expected` says what, and where. */
  | { readonly kind: 'mismatch'; readonly expected: readonly string[] }
  | { readonly kind: 'revoked'; readonly where: string };

interface KnownHost {
  readonly line: number;
  readonly marker: '' | '@revoked' | '@cert-authority';
  /** The first field as written: patterns, or one hashed name. */
  readonly hosts: string;
  readonly keyType: string;
  readonly key: Buffer;
}

/** As `ssh-keygen -l` prints it, without padding. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
}

/** The type stands first in every public key blob, with its length before it. */
export function keyTypeOf(key: Buffer): string {
  if (key.length < 4) return '';
  return key.subarray(4, 4 + key.readUInt32BE(0)).toString('latin1');
}

/** Lines that are no entries are skipped, as `ssh` does: one bad line must not lock out every server. */
export function parseKnownHosts(text: string): KnownHost[] {
  const entries: KnownHost[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const fields = raw.trim().split(/\s+/);
    const first = fields[0] ?? '';
    if (first === '' || first.startsWith('#')) continue;
    const marker = first.startsWith('@') ? first : '';
    if (marker !== '' && marker !== '@revoked' && marker !== '@cert-authority') continue;
    const [hosts, keyType, base64] = marker === '' ? fields : fields.slice(1);
    if (hosts === undefined || keyType === undefined || base64 === undefined) continue;
    const key = Buffer.from(base64, 'base64');
    if (keyTypeOf(key) !== keyType) continue;
    entries.push({ line: index + 1, marker, hosts, keyType, key });
  }
  return entries;
}

/**
 * The entries for a server: those for `[host]:port`, else those for the bare name, as `ssh` looks them up. Revocations
 * hold whichever of the two names they stand under.
 */
export function knownHostsOf(entries: readonly KnownHost[], address: string, port: number): KnownHost[] {
  const host = address.toLowerCase();
  const names = port === 22 ? [host] : [`[${host}]:${port}`, host];
  const revoked = entries.filter(
    (entry) => entry.marker === '@revoked' && names.some((name) => matchesHost(entry.hosts, name)),
  );
  for (const name of names) {
    const trusted = entries.filter((entry) => entry.marker === '' && matchesHost(entry.hosts, name));
    if (trusted.length > 0) return [...trusted, ...revoked];
  }
  return revoked;
}

export function judgeByKnownHosts(entries: readonly KnownHost[], key: Buffer, file: string): HostKeyVerdict {
  const revoked = entries.find((entry) => entry.marker === '@revoked' && entry.key.equals(key));
  if (revoked) return { kind: 'revoked', where: `${file}:${revoked.line}` };
  // Certificate authorities vouch for certificates, and a plain key is none.
  const trusted = entries.filter((entry) => entry.marker === '');
  if (trusted.some((entry) => entry.key.equals(key))) return { kind: 'trusted' };
  if (trusted.length === 0) return { kind: 'unknown' };
  return {
    kind: 'mismatch',
    expected: trusted.map((entry) => `${fingerprintOf(entry.key)} (${entry.keyType}, ${file}:${entry.line})`),
  };
}

export function judgeByFingerprint(expected: string, key: Buffer): HostKeyVerdict {
  if (fingerprintOf(key) === expected.replace(/=+$/, '')) return { kind: 'trusted' };
  return { kind: 'mismatch', expected: [`${expected} (inventory)`] };
}

/** Every algorithm that the client can verify, best first, by the type of key that it proves. */
const algorithmsByKeyType: ReadonlyMap<string, readonly HostKeyAlgorithm[]> = new Map([
  ['ssh-ed25519', ['ssh-ed25519'] as const],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256'] as const],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384'] as const],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521'] as const],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256'] as const],
]);

export type HostKeyAlgorithm =
  | 'ssh-ed25519'
  | 'ecdsa-sha2-nistp256'
  | 'ecdsa-sha2-nistp384'
  | 'ecdsa-sha2-nistp521'
  | 'rsa-sha2-512'
  | 'rsa-sha2-256';

/**
 * What to ask the server to prove itself with: the types that are written down first. A server has several keys, and
 * the one that it would choose by itself may not be the one that people noted.
 */
export function preferredAlgorithms(keyTypes: ReadonlySet<string>): HostKeyAlgorithm[] {
  const all = [...algorithmsByKeyType.entries()];
  const first = all.filter(([type]) => keyTypes.has(type));
  const rest = all.filter(([type]) => !keyTypes.has(type));
  return [...first, ...rest].flatMap(([, algorithms]) => [...algorithms]);
}

/** The same without some types: a fingerprint does not say its type, so the server's other keys are asked for too. */
export function algorithmsExcept(keyTypes: ReadonlySet<string>): HostKeyAlgorithm[] {
  return [...algorithmsByKeyType.entries()].filter(([type]) => !keyTypes.has(type)).flatMap(([, list]) => [...list]);
}

function matchesHost(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return matchesHashed(hosts, name);
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

/** `*` and `?`; everything else, brackets too, stands for itself. */
function matchesPattern(pattern: string, name: string): boolean {
  // Nearly all entries are plain names, and every one of them is looked at for every connection.
  if (!/[*?]/.test(pattern)) return pattern === name;
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}

/** `|1|salt|HMAC-SHA1(salt, name)`, both in base64. */
function matchesHashed(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const wanted = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === actual.length && timingSafeEqual(wanted, actual);
}
