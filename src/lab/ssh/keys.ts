/** Keys for the lab's servers and their client. */
import ssh2, { type ParsedKey } from 'ssh2';

export interface LabKey {
  /** In OpenSSH's own format. */
  readonly private: string;
  readonly public: string;
  readonly parsed: ParsedKey;
}

const attemptsMax = 20;

/**
 * ssh2 cuts leading zeros off what it generates, so that one ed25519 key in 256 can be read by nobody, ssh2 included.
 * Such a key is thrown away.
 */
export function makeKey(): LabKey {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    const parsed = ssh2.utils.parseKey(pair.private);
    if (!(parsed instanceof Error))
      return { ...pair, parsed: Array.isArray(parsed) ? (parsed[0] as ParsedKey) : parsed };
  }
  throw new Error('no usable key could be made');
}
