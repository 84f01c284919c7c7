import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { environmentFor } from '../../../src/adapters/git/environment.ts';
import { gitSettings, type GitOptions } from '../../../src/adapters/git/settings.ts';

const ssh = { keyFile: '/k', knownHostsFile: '/h' };

function refusal(options: GitOptions): string {
  try {
    gitSettings(options);
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
  throw new Error('it was not refused');
}

describe('the address of a repository', () => {
  it.each([
    ['ssh://git@git.example.org:2222/ops/plans.git', 'ssh'],
    ['git@git.example.org:ops/plans.git', 'ssh'],
    ['git.example.org:/srv/plans.git', 'ssh'],
    ['https://git.example.org/ops/plans.git', 'http'],
    ['https://ops-bot@git.example.org/ops/plans', 'http'],
    ['http://127.0.0.1:3000/plans', 'http'],
    ['/srv/git/with a blank.git', 'path'],
  ])('%s is taken as it is, as %s', (url, kind) => {
    const settings = gitSettings({ url, ...(kind === 'ssh' ? ssh : {}) });
    expect([settings.remote, settings.transport.kind]).toEqual([url, kind]);
  });

  it.each([
    ['http://git.example.org/plans', 'use https'],
    ['git://git.example.org/plans', 'no address of a repository'],
    ['file:///srv/plans', 'no address of a repository'],
    ['ext::sh -c whoami', 'blanks'],
    ['ext::whoami', 'no address of a repository'],
    ['-uwhoami', 'no address of a repository'],
    ['--upload-pack=whoami:x', 'no address of a repository'],
    ['ssh://-oProxyCommand=whoami/x', 'no address of a repository'],
    ['host:-oProxyCommand=whoami', 'no address of a repository'],
    ['relative/path', 'no address of a repository'],
    ['https://git.example.org/x?private_token=a', 'password or token'],
    ['', 'no address of a repository'],
  ])('%s is refused', (url, why) => {
    expect(refusal({ url, ...ssh })).toContain(why);
  });

  it.each(['https://anna:hunter22@h/x', 'https://:hunter22@h/x', 'ssh://a:hunter22@h/x', 'https://ghp_hunter22@h/x'])(
    'with a secret in it is refused without repeating it: %s',
    (url) => {
      const message = refusal({ url, ...ssh });
      expect(message).toContain('seems to hold a password or token');
      expect(message).not.toContain('hunter22');
    },
  );

  it('goes with what belongs to it, and with nothing that would be ignored', () => {
    expect(refusal({ url: 'ssh://h/x', knownHostsFile: '/h' })).toContain('needs a key');
    expect(refusal({ url: 'ssh://h/x', keyFile: '/k' })).toContain('needs a known_hosts');
    expect(refusal({ url: 'https://h/x', keyFile: '/k' })).toContain('for ssh:// only');
    expect(refusal({ url: '/x', tokenFile: '/t' })).toContain('for https:// only');
    expect(refusal({ url: 'ssh://h/x', ...ssh, caFile: '/c' })).toContain('for https:// only');
    expect(refusal({ url: 'ssh://h/x', ...ssh, keyFile: '/a"b' })).toContain('cannot be given a file of this name');
  });
});

describe('branch and folders', () => {
  it('a branch can mean nothing else to git than a branch', () => {
    for (const branch of ['main', 'ops/2026-11', 'v1.2', 'über'])
      expect(gitSettings({ url: '/x', branch }).branch).toBe(branch);
    for (const branch of ['', '-f', 'a:b', 'a b', 'a..b', 'a.lock', 'x/.y', 'a*', '@{1}', '@', 'a/', '/a', 'a\n']) {
      expect(refusal({ url: '/x', branch })).toContain('is no name of a branch');
    }
  });

  it('folders are written from the top of the repository, and the top is all of it', () => {
    const foldersOf = (...folders: string[]): readonly string[] => gitSettings({ url: '/x', folders }).folders;
    expect(foldersOf('plans/', './a//b')).toEqual(['plans', 'a/b']);
    expect(foldersOf('plans', '.')).toEqual([]);
    for (const folder of ['/plans', '../plans', 'a/../../b']) {
      expect(refusal({ url: '/x', folders: [folder] })).toContain('from its top');
    }
  });
});

describe('the environment of git', () => {
  const env = {
    PATH: '/bin',
    HOME: '/root',
    GIT_SSH: 'evil',
    GIT_DIR: '/evil',
    SSH_AUTH_SOCK: '/agent',
    https_proxy: 'p',
  };
  const place = { home: '/data/home', env };

  it('holds nothing of ours but the search path and the proxies', () => {
    const made = environmentFor(gitSettings({ url: '/x' }), place, undefined);
    expect(made).toMatchObject({ PATH: '/bin', https_proxy: 'p', HOME: '/data/home', GIT_TERMINAL_PROMPT: '0' });
    expect(Object.keys(made).filter((name) => ['GIT_SSH', 'GIT_DIR', 'SSH_AUTH_SOCK'].includes(name))).toEqual([]);
    expect(JSON.stringify(made)).not.toContain('evil');
  });

  it('lets git use the one transport and no other', () => {
    const protocols = ['/x', 'https://h/x', 'http://localhost/x', 'ssh://h/x'].map((url) => {
      const settings = gitSettings({ url, ...(url.startsWith('ssh') ? ssh : {}) });
      return environmentFor(settings, place, undefined)['GIT_ALLOW_PROTOCOL'];
    });
    expect(protocols).toEqual(['file', 'https', 'http', 'ssh']);
  });

  it('gives a token to its own address alone, and nowhere in plain but in one variable', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[!-~]{8,40}$/), (token) => {
        const settings = gitSettings({ url: 'https://o@git.example.org:8443/x', tokenFile: '/t' });
        const made = environmentFor(settings, place, `secret-${token}`);
        const holders = Object.entries(made).filter(([, value]) => value.includes(`secret-${token}`));
        expect(holders.map(([name]) => name)).toEqual(['PITCREW_GIT_TOKEN']);
        expect(Object.values(made)).toContain('credential.https://git.example.org:8443.helper');
      }),
    );
  });
});
