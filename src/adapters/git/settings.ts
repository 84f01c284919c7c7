/**
 * Which repository, and how it is reached: what a person wrote, checked. Pure.
 *
 * It refuses whatever could carry a secret in the arguments or run a program of somebody else's choice, and a way on
 * which anybody between could change the documents. It never repeats an address that may hold a secret.
 */
import { isIPv4 } from 'node:net';
import { MaintenanceError } from '../../errors/maintenance-error.ts';

/** As the command line has them; file names are absolute. */
export interface GitOptions {
  /** `ssh://…`, `user@host:path`, `https://…`, or the absolute path of a repository on this machine. */
  readonly url: string;
  /** Left out: the branch that the repository itself calls its main one. */
  readonly branch?: string | undefined;
  /** Folders or files in the repository; left out: all of it. */
  readonly folders?: readonly string[] | undefined;
  readonly keyFile?: string | undefined;
  readonly knownHostsFile?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** Certificates of the authorities that are believed, instead of the system's. */
  readonly caFile?: string | undefined;
  /** Of `ssh-keygen`, see "ALLOWED SIGNERS" in ssh-keygen(1). Where it is given, only commits signed by one of them are used. */
  readonly allowedSignersFile?: string | undefined;
}

export type Transport =
  | { readonly kind: 'ssh'; readonly keyFile: string; readonly knownHostsFile: string }
  | {
      readonly kind: 'http';
      readonly scheme: 'http' | 'https';
      /** The token goes to this address and to no other. */
      readonly origin: string;
      readonly user: string;
      readonly tokenFile?: string | undefined;
      readonly caFile?: string | undefined;
    }
  | { readonly kind: 'path' };

export interface GitSettings {
  /** As git is given it; holds no secret. */
  readonly remote: string;
  readonly branch: string | undefined;
  /** Without slashes at their ends; empty: the whole repository. */
  readonly folders: readonly string[];
  readonly transport: Transport;
  readonly allowedSignersFile: string | undefined;
}

/** What services take as the user name beside a token; GitHub, GitLab and Gitea take any. */
const tokenUser = 'git';

/** @throws `git/settings` */
export function gitSettings(options: GitOptions): GitSettings {
  const { remote, transport } = remoteOf(options);
  const { branch } = options;
  if (branch !== undefined && !isBranchName(branch)) throw wrong(`"${branch}" is no name of a branch`);
  const folders = (options.folders ?? []).map(folderOf).filter((folder) => folder !== '');
  const isWhole = folders.length !== (options.folders ?? []).length;
  if (transport.kind !== 'ssh' && options.keyFile !== undefined) throw wrong('an SSH key is of use for ssh:// only');
  if (transport.kind !== 'http') {
    if (options.tokenFile !== undefined) throw wrong('a token is of use for https:// only');
    if (options.caFile !== undefined) throw wrong('certificates are of use for https:// only');
  }
  const { allowedSignersFile } = options;
  return { remote, branch, folders: isWhole ? [] : folders, transport, allowedSignersFile };
}

function remoteOf(options: GitOptions): { remote: string; transport: Transport } {
  const { url } = options;
  // Before anything else, because every other refusal shows the address.
  if (url.includes('://')) refuseSecrets(url);
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u0020\u007f]/.test(url) && !url.startsWith('/')) throw wrong('the address holds blanks');
  if (url.startsWith('/')) {
    if (/[\n\r\0]/.test(url)) throw wrong('the path holds a line break');
    return { remote: url, transport: { kind: 'path' } };
  }
  if (/^(?:[\w.-]+@)?[A-Za-z0-9][\w.-]*:(?!:|\/\/)[^-].*$/.test(url) && !url.includes('://')) {
    return { remote: url, transport: sshOf(options) };
  }
  const parsed = URL.parse(url);
  if (parsed?.protocol === 'ssh:' && isSafeForSsh(parsed)) return { remote: url, transport: sshOf(options) };
  if (parsed?.protocol === 'https:') return { remote: url, transport: httpOf(options, parsed, 'https') };
  if (parsed?.protocol === 'http:') {
    if (!isLoopback(parsed.hostname)) throw wrong('http:// lets anybody on the way change the documents; use https://');
    return { remote: url, transport: httpOf(options, parsed, 'http') };
  }
  throw wrong(unknown(url));
}

/** What begins with a hyphen would be an option to ssh. */
function isSafeForSsh({ hostname, username }: URL): boolean {
  return /^[A-Za-z0-9[]/.test(hostname) && /^(?:[A-Za-z0-9_.][\w.-]*)?$/.test(username);
}

function unknown(url: string): string {
  return `"${url}" is no address of a repository: ssh://HOST/PATH, USER@HOST:PATH, https://HOST/PATH, or a path`;
}

function sshOf({ keyFile, knownHostsFile }: GitOptions): Transport {
  if (keyFile === undefined) throw wrong('a repository over SSH needs a key: name its file');
  if (knownHostsFile === undefined) throw wrong('a repository over SSH needs a known_hosts file');
  for (const file of [keyFile, knownHostsFile]) {
    // ssh has no way to write these in a file name.
    if (/["\\\n\r\0]/.test(file)) throw wrong(`ssh cannot be given a file of this name: ${file}`);
  }
  return { kind: 'ssh', keyFile, knownHostsFile };
}

function httpOf({ tokenFile, caFile }: GitOptions, url: URL, scheme: 'http' | 'https'): Transport {
  if (url.search !== '' || url.hash !== '') throw wrong('an address with ? or # is no address of a repository');
  const user = decodeURIComponent(url.username) || tokenUser;
  return { kind: 'http', scheme, origin: url.origin, user, tokenFile, caFile };
}

const tokenLike = /^(?:gh[a-z]_|github_pat_|glpat-|gl[a-z]+-|x-access-token:)/;
const userLengthMax = 40;

/** What stands in an address stands in the list of processes, in logs and in errors. */
function refuseSecrets(url: string): void {
  const { username = '', password = '', search = '' } = URL.parse(url) ?? {};
  const isSecret = password !== '' || tokenLike.test(username) || username.length > userLengthMax || search !== '';
  // Also where it is no valid URL: what stands before the @ may be a secret all the same.
  const isOddSecret = /^[a-z+]+:\/\/[^/@]*:[^/@]*@/i.test(url);
  if (!isSecret && !isOddSecret) return;
  throw wrong(
    'the address seems to hold a password or token, which others can read there; put it into a file and name that',
  );
}

/** As git-check-ref-format(1) has it, and nothing that has a meaning in a refspec. */
function isBranchName(name: string): boolean {
  // eslint-disable-next-line no-control-regex
  if (name === '' || name.length > 200 || /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|^[-/]|[/.]$/.test(name))
    return false;
  return name !== '@' && name.split('/').every((part) => !part.startsWith('.') && !part.endsWith('.lock'));
}

function folderOf(text: string): string {
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (text.startsWith('/') || parts.includes('..') || text.includes('\0')) {
    throw wrong(`a folder of the repository is written from its top, as in "plans", not "${text}"`);
  }
  return parts.join('/');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}

function wrong(message: string): MaintenanceError {
  return new MaintenanceError('git/settings', 'halt', message);
}
