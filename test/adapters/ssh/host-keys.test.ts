import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  fingerprintOf,
  judgeByFingerprint,
  judgeByKnownHosts,
  keyTypeOf,
  knownHostsOf,
  parseKnownHosts,
  preferredAlgorithms,
} from '../../../src/adapters/ssh/host-keys.ts';
import { makeKey } from '../../../src/lab/ssh/keys.ts';

const ours = publicKey();
const other = publicKey();
const line = { ours: `ssh-ed25519 ${ours.toString('base64')}`, other: `ssh-ed25519 ${other.toString('base64')}` };

function publicKey(): Buffer {
  const { public: text } = makeKey();
  return Buffer.from(text.split(' ')[1] ?? '', 'base64');
}

function verdictOf(text: string, address: string, port: number): string {
  return judgeByKnownHosts(knownHostsOf(parseKnownHosts(text), address, port), ours, 'known_hosts').kind;
}

describe('known_hosts', () => {
  it.each([
    ['a plain name', `rack1-01 ${line.ours}`, 'rack1-01', 22, 'trusted'],
    ['names know no case', `Rack1-01 ${line.ours}`, 'RACK1-01', 22, 'trusted'],
    ['one of several names', `db,rack1-01,10.1.1.11 ${line.ours}`, '10.1.1.11', 22, 'trusted'],
    ['a comment after the key', `rack1-01 ${line.ours} from the vendor`, 'rack1-01', 22, 'trusted'],
    ['a pattern', `10.1.?.1* ${line.ours}`, '10.1.1.11', 22, 'trusted'],
    ['a dot is no wildcard', `10.1.1.11 ${line.ours}`, '10a1.1.11', 22, 'unknown'],
    ['a pattern with an exception', `*,!rack1-01 ${line.ours}`, 'rack1-01', 22, 'unknown'],
    ['a port of its own', `[rack1-01]:2222 ${line.ours}`, 'rack1-01', 2222, 'trusted'],
    ['another port is another server', `[rack1-01]:2222 ${line.ours}`, 'rack1-01', 2223, 'unknown'],
    ['the bare name serves where the port has no line', `rack1-01 ${line.ours}`, 'rack1-01', 2222, 'trusted'],
    [
      'the port’s line goes first',
      `rack1-01 ${line.ours}\n[rack1-01]:22022 ${line.other}`,
      'rack1-01',
      22022,
      'mismatch',
    ],
    ['one of several keys', `rack1-01 ${line.other}\nrack1-01 ${line.ours}`, 'rack1-01', 22, 'trusted'],
    ['another key', `rack1-01 ${line.other}`, 'rack1-01', 22, 'mismatch'],
    ['nothing', '', 'rack1-01', 22, 'unknown'],
    ['a revoked key, whatever else says', `rack1-01 ${line.ours}\n@revoked * ${line.ours}`, 'rack1-01', 22, 'revoked'],
    ['a revocation of another key', `rack1-01 ${line.ours}\n@revoked * ${line.other}`, 'rack1-01', 22, 'trusted'],
    ['a revoked key of a server on a port', `@revoked rack1-01 ${line.ours}`, 'rack1-01', 2222, 'revoked'],
    ['an authority signs certificates, no keys', `@cert-authority * ${line.ours}`, 'rack1-01', 22, 'unknown'],
    ['an unknown marker', `@new rack1-01 ${line.ours}`, 'rack1-01', 22, 'unknown'],
    ['lines that are none', `# rack1-01 ${line.ours}\n\nrack1-01\nrack1-01 ssh-rsa AAAA`, 'rack1-01', 22, 'unknown'],
  ])('%s', (_, text, address, port, expected) => {
    expect(verdictOf(text, address, port)).toBe(expected);
  });

  it('reads names that ssh-keygen hashed', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pitcrew-known-hosts-'));
    try {
      const file = join(folder, 'known_hosts');
      writeFileSync(file, `rack1-01 ${line.ours}\n[rack1-02]:2222 ${line.ours}\n`);
      execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' });
      const text = readFileSync(file, 'utf8');
      expect(text).not.toContain('rack1-01');
      expect(verdictOf(text, 'rack1-01', 22)).toBe('trusted');
      expect(verdictOf(text, 'rack1-02', 2222)).toBe('trusted');
      expect(verdictOf(text, 'rack1-03', 22)).toBe('unknown');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('says which key was expected and where that is written', () => {
    const entries = parseKnownHosts(`# first line\nrack1-01 ${line.other}`);
    expect(judgeByKnownHosts(entries, ours, '/etc/known_hosts')).toEqual({
      kind: 'mismatch',
      expected: [`${fingerprintOf(other)} (ssh-ed25519, /etc/known_hosts:2)`],
    });
  });
});

describe('fingerprints', () => {
  it('are those that ssh-keygen prints, with or without padding', () => {
    const printed = execFileSync('ssh-keygen', ['-l', '-f', '-'], { input: `${line.ours}\n` }).toString();
    const fingerprint = printed.split(' ')[1] ?? '';
    expect(judgeByFingerprint(fingerprint, ours).kind).toBe('trusted');
    expect(judgeByFingerprint(`${fingerprint}=`, ours).kind).toBe('trusted');
    expect(judgeByFingerprint(fingerprint, other).kind).toBe('mismatch');
  });

  it('ask first for the type of key that is written down', () => {
    expect(keyTypeOf(ours)).toBe('ssh-ed25519');
    expect(preferredAlgorithms(new Set(['ssh-rsa'])).slice(0, 2)).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
    expect(preferredAlgorithms(new Set())[0]).toBe('ssh-ed25519');
  });
});
