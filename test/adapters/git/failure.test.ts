import { describe, expect, it } from 'vitest';
import { failureOf, type GitOutcome } from '../../../src/adapters/git/failure.ts';

function failure(more: Partial<GitOutcome>, secrets: readonly string[] = []) {
  const outcome = { what: 'fetch', exitCode: 128, signal: undefined, stderr: '', hasTimedOut: false, isTooLong: false };
  return failureOf({ ...outcome, ...more }, secrets);
}

describe('what git says when something does not work', () => {
  it('a repository that is larger than what may be fetched is for a person to look at', () => {
    const unpack = 'error: unpack-objects died of signal 25\nfatal: unpack-objects failed';
    expect(failure({ stderr: `${unpack}\nfatal: fetch-pack: invalid index-pack output` }).code).toBe('git/too-large');
    expect(failure({ signal: 'SIGXFSZ', exitCode: undefined }).code).toBe('git/too-large');
    expect(failure({ isTooLong: true }).code).toBe('git/too-large');
  });

  it('the words of the host key come before what git makes of them, and its advice is left out', () => {
    const stderr = [
      'No ED25519 host key is known for git.example.org and you have requested strict checking.',
      'Host key verification failed.',
      'fatal: Could not read from remote repository.',
      '',
      'Please make sure you have the correct access rights',
      'and the repository exists.',
    ];
    const error = failure({ stderr: stderr.join('\n') });
    expect(error.code).toBe('git/host-key');
    expect(error.message).toContain('strict checking. | Host key verification failed.)');
    expect(error.message).not.toContain('Please make sure');
  });

  it('what nobody has seen before is told as it is, without secrets and without what could steer a terminal', () => {
    const error = failure({ stderr: 'remote: \u001b[31mhello tok-123 \u0007\nfatal: strange' }, ['tok-123']);
    expect(error).toMatchObject({ code: 'git/failed', disposition: 'retry' });
    expect(error.message).toBe('git fetch failed: remote: ?[31mhello [redacted] ? | fatal: strange');
    expect(failure({ exitCode: 3 }).message).toBe('git fetch failed: it ended with exit code 3');
  });
});
