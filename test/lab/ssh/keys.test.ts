import ssh2 from 'ssh2';
import { describe, expect, it } from 'vitest';
import { makeKey } from '../../../src/lab/ssh/keys.ts';

describe('a key of the lab', () => {
  // One in 256 of those that ssh2 makes is not.
  it('is always readable', () => {
    const keys = Array.from({ length: 1_000 }, () => makeKey());
    for (const key of keys) expect(ssh2.utils.parseKey(key.private)).not.toBeInstanceOf(Error);
    expect(new Set(keys.map((key) => key.private)).size).toBe(1_000);
  });
});
