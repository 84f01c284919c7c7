/** The options of `pitcrew daemon` for documents from a Git repository: what they are, and what they say together. */
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import type { GitOptions } from '../adapters/git/settings.ts';
import { parseDurationMs } from '../spec/values.ts';
import { UsageError } from './io.ts';

export interface GitFlags {
  readonly git?: string;
  readonly gitBranch?: string;
  readonly gitFolder?: string[];
  readonly gitKey?: string;
  readonly gitKnownHosts?: string;
  readonly gitTokenFile?: string;
  readonly gitCaFile?: string;
  readonly gitAllowedSigners?: string;
  readonly gitPoll?: string;
  readonly gitWebhookSecretFile?: string;
}

const flags: readonly (readonly [string, string])[] = [
  ['--git <url>', 'take the documents from this repository: ssh://, https:// or a path; no secret in it'],
  ['--git-branch <name>', 'branch (default: the one that the repository calls its main one)'],
  ['--git-folder <folder...>', 'folders with documents in the repository (default: all of it)'],
  ['--git-key <file>', 'private SSH key'],
  ['--git-known-hosts <file>', 'SSH host key of the Git server (default: as --known-hosts)'],
  ['--git-token-file <file>', 'token for https://'],
  ['--git-ca-file <file>', 'certificates to believe for https:// (default: those of the system)'],
  ['--git-allowed-signers <file>', 'only use commits signed by these SSH keys, as in ssh-keygen(1)'],
  ['--git-poll <length>', 'how often to look for new commits (default: 60s)'],
  ['--git-webhook-secret-file <file>', 'let POST /v1/webhooks/git tell of new commits, proved by this secret'],
];

const pollMs = 60_000;
const pollMsMin = 5_000;

export function addGitOptions(command: Command): void {
  for (const [words, about] of flags) {
    command.addOption(new Option(words, about).helpGroup('Documents from Git:'));
  }
}

export interface GitSource {
  readonly repository: GitOptions & { readonly pollMs: number };
  readonly webhookSecretFile?: string;
}

/** `undefined` where no repository is named. */
export function gitSourceOf(
  given: GitFlags,
  at: { readonly cwd: string; readonly knownHosts: string },
): GitSource | undefined {
  const { git: url, gitWebhookSecretFile } = given;
  if (url === undefined) {
    const [lonely] = Object.keys(given).filter((name) => name.startsWith('git'));
    if (lonely === undefined) return undefined;
    const flag = lonely.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${flag} is of no use without --git`, 'name the repository with --git URL');
  }
  const file = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : resolve(at.cwd, name);
  const isPath = /^(?:\.{0,2}\/|\.{1,2}$|[^:]*$)/.test(url);
  const repository = {
    url: isPath ? resolve(at.cwd, url) : url,
    branch: given.gitBranch,
    folders: given.gitFolder,
    keyFile: file(given.gitKey),
    knownHostsFile: file(given.gitKnownHosts) ?? at.knownHosts,
    tokenFile: file(given.gitTokenFile),
    caFile: file(given.gitCaFile),
    allowedSignersFile: file(given.gitAllowedSigners),
    pollMs: pollOf(given.gitPoll),
  };
  const webhookSecretFile = file(gitWebhookSecretFile);
  return { repository, ...(webhookSecretFile === undefined ? {} : { webhookSecretFile }) };
}

function pollOf(text: string | undefined): number {
  if (text === undefined) return pollMs;
  const lengthMs = parseDurationMs(text) ?? 0;
  if (lengthMs >= pollMsMin) return lengthMs;
  throw new UsageError(`--git-poll takes a length of at least 5s, not "${text}"`, 'for example --git-poll 2m');
}
