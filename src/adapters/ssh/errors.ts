/** What goes wrong over SSH, classified once. It never carries a key, a script or what a script wrote. */
import { MaintenanceError, type ErrorDetails } from '../../errors/maintenance-error.ts';
import type { HostKeyVerdict } from './host-keys.ts';

/** Whom the error is about, for the person who reads it. */
export interface Peer {
  readonly server: string;
  readonly address: string;
  readonly port: number;
  readonly user: string;
}

function unreachable(peer: Peer, cause: unknown): MaintenanceError {
  const message = `${nameOf(peer)} cannot be reached over SSH: ${textOf(cause)}`;
  return new MaintenanceError('ssh/unreachable', 'retry', message, { details: detailsOf(peer), cause });
}

export function timedOut(peer: Peer, doing: string, cause?: unknown): MaintenanceError {
  const message = `${nameOf(peer)} answers too slowly over SSH: ${doing}`;
  return new MaintenanceError('ssh/timeout', 'retry', message, { details: detailsOf(peer), cause });
}

export function disconnected(peer: Peer, cause?: unknown): MaintenanceError {
  const message = `the SSH connection to ${nameOf(peer)} dropped`;
  return new MaintenanceError('ssh/disconnected', 'retry', message, { details: detailsOf(peer), cause });
}

function unauthorized(peer: Peer, why: string): MaintenanceError {
  const message = `${nameOf(peer)} does not let ${peer.user} in: ${why}`;
  return new MaintenanceError('ssh/auth', 'halt', message, { details: detailsOf(peer) });
}

/** The server lets us in and does not do what is asked: no `sudo`, a full or read-only disk, a missing program. */
export function refused(peer: Peer, why: string, disposition: 'retry' | 'halt' = 'halt'): MaintenanceError {
  const message = `${nameOf(peer)} does not run commands for ${peer.user}: ${why}`;
  return new MaintenanceError('ssh/refused', disposition, message, { details: detailsOf(peer) });
}

export function untrusted(
  peer: Peer,
  seen: readonly string[],
  verdict: Exclude<HostKeyVerdict, { kind: 'trusted' }>,
  source: string,
): MaintenanceError {
  const shown = `${nameOf(peer)} shows the host key ${seen.join(' and ')}`;
  const details = { ...detailsOf(peer), fingerprint: seen.join(', '), expectedIn: source };
  return new MaintenanceError('ssh/host-key', 'halt', `${shown}; ${expectation(verdict, source)}`, { details });
}

function expectation(verdict: Exclude<HostKeyVerdict, { kind: 'trusted' }>, source: string): string {
  switch (verdict.kind) {
    case 'unknown':
      return `nothing is written down for this server in ${source}`;
    case 'mismatch':
      return `expected is ${verdict.expected.join(' or ')}`;
    case 'revoked':
      return `this key is revoked in ${verdict.where}`;
  }
}

/** From what ssh2 throws while it connects: it marks the layer as `level`, and the socket's errors have a `code`. */
export function classifyConnect(peer: Peer, error: unknown): MaintenanceError {
  if (error instanceof MaintenanceError) return error;
  const level = fieldOf(error, 'level');
  const text = textOf(error);
  if (level === 'client-authentication' || text.includes('authentication failures')) {
    return unauthorized(peer, 'the server does not accept this user with this key');
  }
  // ssh2 says what is wrong with the key (its format, a passphrase), never what stands in it.
  if (text.startsWith('Cannot parse privateKey')) return unauthorized(peer, text);
  if (level === 'client-timeout') return timedOut(peer, 'it did not finish the handshake', error);
  const code = fieldOf(error, 'code');
  if (code === 'ETIMEDOUT' && level === 'client-socket') return timedOut(peer, 'it did not take the connection', error);
  // Without a common algorithm no second attempt gets further.
  if (isWithoutCommonAlgorithm(error)) {
    const message = `${nameOf(peer)} and we have no common SSH algorithm: ${text}`;
    return new MaintenanceError('ssh/unreachable', 'halt', message, { details: detailsOf(peer), cause: error });
  }
  return unreachable(peer, error);
}

export function isWithoutCommonAlgorithm(error: unknown): boolean {
  return fieldOf(error, 'level') === 'handshake' && textOf(error).includes('no matching');
}

function nameOf(peer: Peer): string {
  return `${peer.server} (${peer.address}:${peer.port})`;
}

function detailsOf(peer: Peer): ErrorDetails {
  return { server: peer.server, address: peer.address, port: peer.port, user: peer.user };
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function fieldOf(error: unknown, name: 'level' | 'code'): string {
  if (typeof error !== 'object' || error === null || !(name in error)) return '';
  const value: unknown = Reflect.get(error, name);
  return typeof value === 'string' ? value : '';
}
