/**
 * What git, ssh and curl say when something does not work, as one of our errors. Pure.
 *
 * The texts are those of git 2.39 with LC_ALL=C, OpenSSH 9 and curl; what is not among them is told as it is. It never passes on a secret, nor what could
 * steer a terminal.
 */
import type { ErrorCode } from '../../errors/codes.ts';
import { MaintenanceError, type Disposition } from '../../errors/maintenance-error.ts';

export interface GitOutcome {
  readonly what: string;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stderr: string;
  readonly hasTimedOut: boolean;
  readonly isTooLong: boolean;
}

interface Line {
  readonly when: RegExp;
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  readonly says: string;
}

/** The first that fits counts: ssh's own words come before what git makes of them. */
const lines: readonly Line[] = [
  {
    when: /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|No \S+ host key is known/,
    code: 'git/host-key',
    disposition: 'halt',
    says: 'the host key of the Git server is unknown, or not the one that is known',
  },
  {
    when: /UNPROTECTED PRIVATE KEY FILE|Load key ".*": |Identity file .* not accessible/,
    code: 'git/auth',
    disposition: 'halt',
    says: 'the SSH key for the Git server cannot be used',
  },
  {
    when: /Permission denied \(|Too many authentication failures/,
    code: 'git/auth',
    disposition: 'halt',
    says: 'the Git server does not accept this SSH key',
  },
  {
    when: /Authentication failed for|could not read (?:Username|Password)|HTTP Basic: Access denied|returned error: 40[13]/,
    code: 'git/auth',
    disposition: 'halt',
    says: 'the Git server wants another token, or one at all',
  },
  {
    when: /find remote ref/,
    code: 'git/not-found',
    disposition: 'halt',
    says: 'the repository has no such branch',
  },
  {
    when: /returned error: (?:404|410)|repository '.*' not found|Repository not found|does not appear to be a git repository/,
    code: 'git/not-found',
    disposition: 'halt',
    says: 'there is no such repository, or it is not shown to us',
  },
  {
    when: /returned error: 30\d|redirection/,
    code: 'git/settings',
    disposition: 'halt',
    says: 'the Git server sends us to another address; use that one',
  },
  {
    when: /certificate|SSL_|SSL:|TLS/,
    code: 'git/unreachable',
    disposition: 'halt',
    says: 'the Git server does not prove who it is',
  },
  {
    when: /File too large|File size limit exceeded|signal 25/,
    code: 'git/too-large',
    disposition: 'halt',
    says: 'the repository is too large',
  },
  {
    when: /dubious ownership/,
    code: 'git/auth',
    disposition: 'halt',
    says: 'the repository belongs to another user',
  },
  {
    when: /fsck error|object fsck|mismatched algorithms|bad object|invalid index-pack|fatal: bad pack|is corrupt/,
    code: 'git/failed',
    disposition: 'halt',
    says: 'the repository is damaged, or of a kind that is not understood',
  },
  {
    when: /resolve host|Connection (?:refused|timed out|reset|closed)|No route to host|Network is unreachable|Failed to connect|timed out|Operation too slow|early EOF|hung up unexpectedly|returned error: (?:429|5\d\d)|kex_exchange/,
    code: 'git/unreachable',
    disposition: 'retry',
    says: 'the Git server cannot be reached',
  },
];

export function failureOf(outcome: GitOutcome, secrets: readonly string[]): MaintenanceError {
  const { what, signal } = outcome;
  const words = lastWords(outcome.stderr, secrets);
  const details = { what, ...(outcome.exitCode === undefined ? {} : { exitCode: outcome.exitCode }) };
  if (outcome.hasTimedOut) {
    return new MaintenanceError('git/unreachable', 'retry', `git ${what} took too long and was ended`, { details });
  }
  if (outcome.isTooLong || signal === 'SIGXFSZ') {
    return new MaintenanceError('git/too-large', 'halt', `git ${what}: the repository is too large`, { details });
  }
  const known = lines.find(({ when }) => when.test(outcome.stderr));
  const because = words === '' ? `it ended with ${signal ?? `exit code ${outcome.exitCode}`}` : words;
  if (known) return new MaintenanceError(known.code, known.disposition, `${known.says} (${because})`, { details });
  return new MaintenanceError('git/failed', 'retry', `git ${what} failed: ${because}`, { details });
}

const wordsMax = 300;

/** The lines that say something, on one line; the advice that git adds to them is for people at a terminal. */
function lastWords(stderr: string, secrets: readonly string[]): string {
  const isAdvice =
    /^(?:hint: |Please make sure you have|and the repository exists|@{5}|fatal: Could not read from remote)/;
  const said = stderr
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !isAdvice.test(line));
  const kept = said.slice(-3).join(' | ');
  // eslint-disable-next-line no-control-regex
  const plain = kept.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  const safe = secrets.reduce((text, secret) => text.replaceAll(secret, '[redacted]'), plain);
  return safe.length > wordsMax ? `${safe.slice(0, wordsMax)}…` : safe;
}
