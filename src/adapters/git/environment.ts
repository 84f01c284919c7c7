/**
 * The whole environment of a `git`, and with it its whole configuration. Pure.
 *
 * Nothing is inherited but the search path and the proxies: no configuration of the user or the system, no agent, no
 * helper that asks somebody. A token travels in the environment of this one process, which only our own user can read,
 * and is handed out by a helper to its own address alone; it is never in argv, never in a file of ours.
 */
import type { GitSettings, Transport } from './settings.ts';

export interface GitPlace {
  /** HOME: an empty folder of ours, but for the configuration that names a path as safe. */
  readonly home: string;
  /** Of our own process. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

const inherited = [
  'PATH',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'all_proxy',
];

export function environmentFor(
  settings: GitSettings,
  place: GitPlace,
  token: string | undefined,
): Record<string, string> {
  const { transport } = settings;
  const kept = inherited.flatMap((name) => {
    const value = place.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    PATH: '/usr/bin:/bin',
    ...Object.fromEntries(kept),
    HOME: place.home,
    LC_ALL: 'C',
    TZ: 'UTC',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_ATTR_NOSYSTEM: '1',
    // HOME decides, and nothing beside it.
    XDG_CONFIG_HOME: place.home,
    GIT_TERMINAL_PROMPT: '0',
    // Only the transport that was asked for: no ext::, no file:// by way of a redirect or a submodule.
    GIT_ALLOW_PROTOCOL: protocolOf(transport),
    // An object that stands in for another one would be read in place of what was signed.
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_SSH_VARIANT: 'ssh',
    ...(transport.kind === 'ssh' ? { GIT_SSH_COMMAND: sshCommand(transport) } : {}),
    ...(token === undefined ? {} : { PITCREW_GIT_TOKEN: token }),
    ...asVariables(configurationOf(settings, token !== undefined)),
  };
}

function protocolOf(transport: Transport): string {
  switch (transport.kind) {
    case 'ssh':
      return 'ssh';
    case 'http':
      return transport.scheme;
    case 'path':
      return 'file';
  }
}

function configurationOf({ transport, allowedSignersFile }: GitSettings, hasToken: boolean): [string, string][] {
  const always: [string, string][] = [
    ['core.hooksPath', '/dev/null'],
    ['core.fsmonitor', 'false'],
    ['fetch.fsckObjects', 'true'],
    ['fetch.recurseSubmodules', 'false'],
    // Tidying up belongs to the fetch and its bounds; it must not go on behind our back.
    ['gc.autoDetach', 'false'],
    ['maintenance.autoDetach', 'false'],
    // An empty one ends the list of helpers.
    ['credential.helper', ''],
    // A signature by anything but an SSH key is one that nobody here can check.
    ['gpg.format', 'ssh'],
    ['gpg.openpgp.program', 'false'],
    ['gpg.x509.program', 'false'],
  ];
  if (allowedSignersFile !== undefined) always.push(['gpg.ssh.allowedSignersFile', allowedSignersFile]);
  return transport.kind === 'http' ? [...always, ...httpConfiguration(transport, hasToken)] : always;
}

function httpConfiguration(transport: Extract<Transport, { kind: 'http' }>, hasToken: boolean): [string, string][] {
  const { origin, user, caFile } = transport;
  const lines: [string, string][] = [
    // Whoever answers in the place of the server could send us anywhere.
    ['http.followRedirects', 'false'],
    ['http.lowSpeedLimit', '1000'],
    ['http.lowSpeedTime', '60'],
  ];
  if (caFile !== undefined) lines.push(['http.sslCAInfo', caFile]);
  if (hasToken) {
    // `printf` is a part of the shell, so that the token is no argument of a program.
    const answer = `test "$1" = get && printf "username=%s\\npassword=%s\\n" ${quoted(user)} "$PITCREW_GIT_TOKEN"`;
    lines.push([`credential.${origin}.helper`, `!f() { ${answer}; }; f`]);
  }
  return lines;
}

function asVariables(lines: readonly (readonly [string, string])[]): Record<string, string> {
  const pairs = lines.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(lines.length), ...(Object.fromEntries(pairs) as Record<string, string>) };
}

/** For the shell that git hands it to. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** ssh takes a file name in quotation marks, and reads `%` as the beginning of something else. */
function fileOption(name: string, file: string): string {
  return quoted(`${name}="${file.replaceAll('%', '%%')}"`);
}

function sshCommand({ keyFile, knownHostsFile }: Extract<Transport, { kind: 'ssh' }>): string {
  const options = [
    fileOption('IdentityFile', keyFile),
    fileOption('UserKnownHostsFile', knownHostsFile),
    'GlobalKnownHostsFile=none',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    'StrictHostKeyChecking=yes',
    'UpdateHostKeys=no',
    'BatchMode=yes',
    'PasswordAuthentication=no',
    'KbdInteractiveAuthentication=no',
    'ClearAllForwardings=yes',
    'ConnectTimeout=15',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=3',
    'LogLevel=ERROR',
  ];
  return ['ssh', '-F', 'none', ...options.flatMap((option) => ['-o', option])].join(' ');
}
