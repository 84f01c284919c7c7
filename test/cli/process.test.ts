/** The command line as a real process: signals, pipes, terminals, what others can see of it. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { widthOf } from '../../src/cli/render/text.ts';
import { serveCli } from './harness.ts';
import { token, type Served } from '../api/fixture.ts';
import { pitcrew, pitcrewOnTerminal, startChild, entryPath, nodePath, type Child } from './harness.ts';
import { runView, serverRow } from '../api/views.ts';
import { busyRun, haltedRun, history } from './samples.ts';

async function served(): Promise<Served & { env: Record<string, string> }> {
  const fake = await serveCli();
  fake.operations.runViews = [busyRun];
  return { ...fake, env: { PITCREW_SERVER: fake.api.address } };
}

/** Once the daemon has a listener, no change is missed. */
async function watching({ operations }: Served): Promise<void> {
  await expect.poll(() => operations.watchers, { timeout: 20_000 }).toBe(1);
}

const first = serverRow({ name: 'rack1-01', phase: 'cordoning', sinceMs: 1, startedMs: 1 });
const begun = runView({ counts: { total: 1, done: 0, failed: 0, active: 1, skipped: 0 }, servers: [first] });
const finished = runView({
  status: 'done',
  endedMs: begun.createdMs + 60_000,
  counts: { total: 1, done: 1, failed: 0, active: 0, skipped: 0 },
  servers: [serverRow({ ...first, phase: 'done', endedMs: 61_001 })],
});

describe('a watch in a log', () => {
  it('prints one line per change and ends with the run: 0 where it is done', async () => {
    const fake = await served();
    fake.operations.runViews = [begun];
    const child = pitcrew(['start', 'weekly-kernel', '--watch'], fake.env);
    await child.until('rack1-01  cordoning');
    await watching(fake);
    fake.operations.set({ ...begun, servers: [{ ...first, phase: 'evacuating' }] });
    await child.until('rack1-01  evacuating');
    fake.operations.set({
      ...begun,
      servers: [{ ...first, phase: 'evacuating', hold: { kind: 'waiting', for: 'budget', text: 'budget shop/web' } }],
    });
    await child.until('evacuating  waiting: budget shop/web');
    fake.operations.set(finished);
    const ended = await child.ended;
    expect(ended.code).toBe(0);
    expect(ended.stderr).toBe('run 2611-a7 started · weekly-kernel\n');
    const lines = ended.stdout.split('\n').map((line) => line.replace(/^\d\d:\d\d:\d\d {2}/, ''));
    expect(lines.slice(0, 7)).toEqual([
      'run 2611-a7 · weekly-kernel · 0 of 1 done',
      'rack1-01  cordoning',
      'rack1-01  evacuating',
      'rack1-01  evacuating  waiting: budget shop/web',
      'run done',
      'rack1-01  done in 1m 01s',
      '',
    ]);
    expect(ended.stdout).not.toContain('\u001B');
  });

  it('ends with 1 and the whole story where the run was halted', async () => {
    const fake = await served();
    fake.operations.runViews = [{ ...haltedRun, status: 'running' }];
    const child = pitcrew(['status', '2611-b2', '--watch'], fake.env);
    await child.until('run 2611-b2');
    await watching(fake);
    fake.operations.set(haltedRun);
    const ended = await child.ended;
    expect(ended.code).toBe(1);
    expect(ended.stdout).toContain('HALTED rack2-05 · the server did not come back');
    expect(ended.stdout).toContain('pitcrew retry 2611-b2 rack2-05');
  });

  it('prints one object per change for programs', async () => {
    const fake = await served();
    fake.operations.runViews = [begun];
    const child = pitcrew(['status', '2611-a7', '--watch', '-o', 'json'], fake.env);
    await child.until('"status":"running"');
    await watching(fake);
    fake.operations.set(finished);
    const ended = await child.ended;
    const objects = ended.stdout.trimEnd().split('\n');
    expect(objects.map((line) => JSON.parse(line) as unknown)).toEqual([begun, finished].map((view) => view));
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('stops by %s with 130, and only the watching stops', async (signal) => {
    const fake = await served();
    const child = pitcrew(['status', '--watch'], fake.env);
    await child.until('rack2-05');
    await watching(fake);
    child.process.kill(signal);
    const ended = await child.ended;
    expect(ended.code).toBe(130);
    expect(ended.stderr).toContain('stopped watching; run 2611-a7 goes on');
    expect(ended.stderr).toContain('`pitcrew status 2611-a7 --watch`');
    const asked = fake.operations.asked.filter((what) => !what.startsWith('run'));
    expect(asked).toEqual([]);
  });

  it('outlives a restart of the daemon', async () => {
    const fake = await served();
    const child = pitcrew(['status', '2611-a7', '--watch'], fake.env);
    await child.until('rack2-05');
    await watching(fake);
    await fake.api.stop();
    await child.until('the daemon does not answer; trying again');
    const { startApi } = await import('../../src/api/server.ts');
    const { memoryLogger } = await import('../api/fixture.ts');
    const again = await startApi({
      operations: fake.operations,
      listen: { socket: fake.api.address },
      token,
      logger: memoryLogger().logger,
      signal: new AbortController().signal,
    });
    try {
      fake.operations.set({ ...busyRun, status: 'done' });
      expect((await child.ended).code).toBe(0);
    } finally {
      await again.stop();
    }
  });
});

async function onTerminal(): Promise<{ child: Child; fake: Served }> {
  const fake = await served();
  const child = pitcrewOnTerminal(['status', '--watch'], fake.env);
  await child.until('q stop watching (the run goes on)');
  await watching(fake);
  return { child, fake };
}

describe('a watch on a terminal', () => {
  it('draws in place, and leaves the terminal as it was with the last state on it', async () => {
    const { child, fake } = await onTerminal();
    fake.operations.set({ ...busyRun, status: 'done', endedMs: busyRun.createdMs + 1 });
    const { code, stdout } = await child.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('\u001B[?1049h\u001B[?25l');
    const [drawn = '', after = ''] = stdout.split('\u001B[?25h\u001B[?1049l');
    // Home and overwrite: a screen that is cleared first flickers.
    expect(drawn).toContain('\u001B[H');
    expect(drawn).not.toContain('\u001B[2J');
    expect(after).toContain('DONE');
    // oxlint-disable-next-line no-control-regex -- escape sequences are taken out to measure the text
    const frames = drawn.split('\u001B[H').map((frame) => frame.replaceAll(/\u001B\[[?\d;]*[A-Za-z]/g, ''));
    const lines = frames.flatMap((frame) => frame.split('\r\n'));
    expect(lines.length).toBeGreaterThan(10);
    expect(lines.filter((line) => widthOf(line) > 90)).toEqual([]);
  });

  it('q stops watching with 130, p asks for a pause, s shows all servers', async () => {
    const { child, fake } = await onTerminal();
    child.process.stdin?.write('s');
    await child.until('rack3-01');
    child.process.stdin?.write('p');
    await child.until('pause asked for');
    child.process.stdin?.write('q');
    const { code, stdout } = await child.ended;
    expect(code).toBe(130);
    expect(stdout).toContain('stopped watching; run 2611-a7 goes on');
    const asked = fake.operations.asked.filter((what) => !what.startsWith('run'));
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatch(/^pause 2611-a7 by .+@.+/);
  });

  it('what was said to the person gives way to the keys again', async () => {
    const { child } = await onTerminal();
    child.process.stdin?.write('p');
    await child.until('pause asked for');
    await child.untilLast('q stop watching (the run goes on)', 'pause asked for');
    child.process.stdin?.write('q');
    expect(await child.ended).toMatchObject({ code: 130 });
  });

  it('Ctrl-C as a key is the same as q', async () => {
    const { child } = await onTerminal();
    child.process.stdin?.write('\u0003');
    expect(await child.ended).toMatchObject({ code: 130 });
  });
});

describe('dangerous verbs on a terminal', () => {
  it.each([
    ['y\n', 0, 1],
    ['n\n', 4, 0],
    ['\n', 4, 0],
    ['\u0004', 4, 0],
    ['\u0003', 130, 0],
  ])('ask, and %j ends with %i', async (answer, code, askedCount) => {
    const fake = await served();
    const child = pitcrewOnTerminal(['stop', '2611-a7'], fake.env);
    await child.until('Stop run 2611-a7? It cannot be resumed. [y/N]');
    child.process.stdin?.write(answer);
    expect(await child.ended).toMatchObject({ code });
    expect(fake.operations.asked.filter((what) => what.startsWith('stop'))).toHaveLength(askedCount);
  });
});

describe('the process', () => {
  it('shows the token to nobody: not in its arguments, not in its output', async () => {
    const fake = await served();
    const child = pitcrew(['status', '--watch'], fake.env);
    await child.until('rack2-05');
    await watching(fake);
    const { pid } = child.process;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    expect(commandLine).toContain('status');
    expect(commandLine + environment).not.toContain(token);
    child.process.kill('SIGINT');
    const { stdout, stderr } = await child.ended;
    expect(stdout + stderr).not.toContain(token);
  });

  it('says nothing when its reader goes away', async () => {
    const fake = await served();
    fake.operations.entries = Array.from({ length: 3_000 }, () => history).flat();
    const line = `'${nodePath}' '${entryPath}' history 2611-a7 | head -n 1`;
    const { code, stdout, stderr } = await startChild('bash', ['-c', line], fake.env).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'Sat 28 Nov\n', stderr: '' });
  });

  it.each([
    ['NO_COLOR', { NO_COLOR: '1' }, []],
    ['--no-color', {}, ['--no-color']],
    ['TERM=dumb', { TERM: 'dumb' }, []],
  ])('uses no colour with %s, and some without', async (_name, env, argv) => {
    const fake = await served();
    const plain = await pitcrewOnTerminal(['status', ...argv], { ...fake.env, ...env }).ended;
    const colored = await pitcrewOnTerminal(['status'], fake.env).ended;
    expect(plain.stdout).not.toContain('\u001B[');
    expect(colored.stdout).toContain('\u001B[');
  });
});

describe('completion', () => {
  it('for bash parses, and completes commands, options and choices', async () => {
    const { stdout, code } = await pitcrew(['completion', 'bash']).ended;
    expect(code).toBe(0);
    execFileSync('bash', ['-n'], { input: stdout });
    const complete = (...words: string[]): string[] => {
      const array = words.map((word) => `'${word}'`).join(' ');
      const script = `${stdout}\nCOMP_WORDS=(pitcrew ${array}); COMP_CWORD=${words.length}; _pitcrew; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trimEnd().split('\n');
    };
    expect(complete('sta')).toEqual(['start', 'status']);
    expect(complete('status', '--w')).toEqual(['--watch']);
    expect(complete('status', '-o', '')).toEqual(['text', 'json', 'yaml']);
    expect(complete('power', 'rack1-01', 'c')).toEqual(['cycle']);
    expect(complete('completion', '')).toEqual(expect.arrayContaining(['bash', 'zsh', 'fish']));
  });

  it.each(['zsh', 'fish'])('for %s names every command and has even quotes', async (shell) => {
    const { stdout } = await pitcrew(['completion', shell]).ended;
    for (const name of ['validate', 'plan', 'start', 'status', 'power', 'daemon', 'demo', 'completion']) {
      expect(stdout).toContain(`'${name}`);
    }
    const uneven = stdout.split('\n').filter((line) => !line.startsWith('#') && line.split("'").length % 2 === 0);
    expect(uneven).toEqual([]);
  });
});
