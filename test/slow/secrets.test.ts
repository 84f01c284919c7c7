/**
 * While a run goes on, its secrets are looked for wherever somebody else might read: in the arguments of every process,
 * in Redis, in the log, in what the API and the command line say, in errors. The searcher is tried on planted ones first.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import type { ApiClient } from '../../src/api/client.ts';
import { Installation, planName, quickServers, runEnded, until } from './installation.ts';
import { allProcesses } from './processes.ts';

/** Name to the texts of which none may be seen; a key of several lines is betrayed by each of them. */
type Secrets = ReadonlyMap<string, readonly string[]>;

function leaks(secrets: Secrets, where: string, text: string): string[] {
  return [...secrets].flatMap(([name, forms]) =>
    forms.some((form) => text.includes(form)) ? [`${name} in ${where}`] : [],
  );
}

async function readTrimmed(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}

async function secretsOf(installation: Installation): Promise<Map<string, readonly string[]>> {
  const { lab, folder } = installation;
  const key = await readTrimmed(lab.ssh.privateKeyFile);
  const saved = JSON.parse(await readTrimmed(path.join(installation.dataOf(), 'redis', 'address.json'))) as {
    password: string;
  };
  const keyLines = key.split('\n').filter((line) => line.length > 20 && !line.startsWith('-----'));
  return new Map([
    ['the BMC password', [await readTrimmed(path.join(folder, 'lab', 'bmc-password'))]],
    ['the SSH key', keyLines],
    ['the API token', [await readTrimmed(path.join(installation.dataOf(), 'token'))]],
    ['the Kubernetes token', [lab.kubernetes.tokens.pitcrew]],
    ['the Redis password', [saved.password]],
  ]);
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'stream':
      return redis.xrange(key, '-', '+');
    case 'none':
      return '';
    default:
      throw new Error(`nobody has looked into keys of type ${type} yet: ${key}`);
  }
}

/** Every key with its whole value. */
async function dump(redis: Redis): Promise<string[]> {
  const texts: string[] = [];
  for (let cursor = '0', isFirst = true; isFirst || cursor !== '0'; isFirst = false) {
    const [next, keys] = await redis.scan(cursor, 'COUNT', 500);
    for (const key of keys) texts.push(`${key} ${JSON.stringify(await valueOf(redis, key))}`);
    cursor = next;
  }
  return texts;
}

class Searcher {
  readonly found = new Set<string>();
  /** Programs of ours whose arguments were looked at, so that a search that saw nothing cannot pass. */
  readonly programs = new Map<string, Set<number>>();
  keys = 0;
  readonly #secrets: Secrets;
  readonly #redis: Redis;
  #isOver = false;
  #failure: unknown;
  readonly #running: Promise<unknown>;

  constructor(secrets: Secrets, redis: Redis) {
    this.#secrets = secrets;
    this.#redis = redis;
    this.#running = this.#watch().catch((error: unknown) => (this.#failure = error));
  }

  look(where: string, text: string): void {
    for (const leak of leaks(this.#secrets, where, text)) this.found.add(leak);
  }

  async lookIntoRedis(): Promise<void> {
    const texts = await dump(this.#redis);
    this.keys = Math.max(this.keys, texts.length);
    for (const text of texts) this.look(`the Redis key ${text.slice(0, text.indexOf(' '))}`, text);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure;
    await this.lookIntoRedis();
  }

  async #watch(): Promise<void> {
    for (let round = 0; !this.#isOver; round += 1) {
      for (const { pid, arguments: words } of await allProcesses()) {
        // Redis writes a title over its arguments, all in one.
        const name = path.basename((words[0] ?? '').split(' ')[0] ?? '');
        this.programs.set(name, (this.programs.get(name) ?? new Set()).add(pid));
        this.look(`the arguments of ${name}`, words.join('\0'));
      }
      if (round % 20 === 0) await this.lookIntoRedis();
      await sleep(15);
    }
  }
}

/** Everything that the API and the command line can be asked for about a run. */
async function askEverything(installation: Installation, client: ApiClient, runId: string): Promise<string[]> {
  const { servers } = await client.run(runId);
  const answers = await Promise.all([
    client.runs(),
    client.run(runId),
    client.history(runId),
    client.preview(planName),
    client.doctor(),
    client.servers(),
    ...servers.flatMap(({ name }) => [client.history(runId, name), client.output(runId, name)]),
  ]);
  const texts = answers.map((answer) => JSON.stringify(answer));
  for (const words of [['status', runId], ['history', runId], ['doctor'], ['history', runId, 'node-1', '--output']]) {
    const { stdout, stderr } = await installation.pitcrew(words);
    texts.push(stdout, stderr);
  }
  return texts;
}

/** Its output holds what a careless command prints of the password and of the key. */
async function addCarelessCommand(installation: Installation): Promise<void> {
  const file = path.join(installation.documents, 'kernel-update.yaml');
  const text = await readFile(file, 'utf8');
  const run = 'echo careless; cat "$LAB_ROOT/../../../bmc-password"; echo; cat "$LAB_ROOT/../../id_ed25519"';
  const careless = `  prepare:\n    - ssh: { run: ${JSON.stringify(run)} }\n`;
  await writeFile(file, text.replace('  prepare:\n', careless));
}

describe('the search for secrets', () => {
  it('finds what is planted: in arguments, in every type of Redis key, in texts', async (context) => {
    const installation = await Installation.for(context, { servers: quickServers(1) });
    await installation.startDaemon();
    const redis = await installation.redis();
    const secrets = new Map([['it', ['planted-4711']]]);
    const words = ['-e', 'setTimeout(() => undefined, 60_000)', 'planted-4711'];
    const child = spawn(process.execPath, words, { cwd: installation.folder, stdio: 'ignore' });
    installation.onStop(async () => void child.kill('SIGKILL'));
    await redis.set('planted:string', 'a planted-4711 b');
    await redis.hset('planted:hash', 'field', 'planted-4711');
    await redis.rpush('planted:list', 'x', 'planted-4711');
    await redis.sadd('planted:set', 'planted-4711');
    await redis.zadd('planted:zset', 1, 'planted-4711');
    await redis.xadd('planted:stream', '*', 'field', 'planted-4711');
    await redis.set('planted:key:planted-4711', '');
    const searcher = new Searcher(secrets, redis);
    await until(
      'the planted process',
      10_000,
      async () => searcher.found.has('it in the arguments of node') || undefined,
    );
    await searcher.stop();
    searcher.look('a text', 'what planted-4711 says');
    const keys = ['string', 'hash', 'list', 'set', 'zset', 'stream', 'key:planted-4711'];
    const expected = [
      ...keys.map((key) => `it in the Redis key planted:${key}`),
      'it in the arguments of node',
      'it in a text',
    ];
    expect([...searcher.found].sort()).toEqual(expected.sort());
  }, 120_000);
});

describe('the secrets of an installation', () => {
  it('are nowhere to be seen while a run goes on, not even where a command prints them', async (context) => {
    const installation = await Installation.for(context, {
      // All the way up the ladder, so that the BMC is asked for everything that it can be asked for.
      servers: quickServers(3, { 'node-1': { faults: { shutdownHangs: true, bmcIgnoresOffTimes: 1 } } }),
    });
    await addCarelessCommand(installation);
    const daemon = await installation.startDaemon();
    const secrets = await secretsOf(installation);
    expect([...secrets.values()].flat().every((form) => form.length >= 16)).toBe(true);
    const searcher = new Searcher(secrets, await installation.redis());
    const client = await daemon.client();
    const { runId } = await client.start(planName);
    await until('work on servers', 60_000, async () =>
      (await client.run(runId)).servers.some(({ phase }) => phase === 'rebooting') ? true : undefined,
    );
    for (const text of await askEverything(installation, client, runId)) searcher.look('an answer', text);
    expect((await runEnded(client, runId, 180_000)).status).toBe('done');
    for (const text of await askEverything(installation, client, runId)) searcher.look('an answer', text);
    await searcher.stop();
    searcher.look('the log', await daemon.log());
    expect([...searcher.found]).toEqual([]);
    // The command did print it, and it was taken out on the way.
    const output = (await client.output(runId, 'node-1'))
      .map(({ text }) => text)
      .join('')
      .split('\n');
    const from = output.indexOf('careless');
    expect(output.slice(from, from + 3)).toEqual(['careless', '[redacted]', '[redacted]']);
    const seen = (name: string): number => searcher.programs.get(name)?.size ?? 0;
    expect(seen('ipmitool')).toBeGreaterThan(5);
    expect(seen('redis-server')).toBeGreaterThan(0);
    expect(searcher.keys).toBeGreaterThan(5);
    console.log(`looked into ${searcher.keys} Redis keys and ${seen('ipmitool')} ipmitool processes`);
  }, 300_000);

  it('are in no error: wrong BMC password, wrong API token, wrong Kubernetes token', async (context) => {
    const installation = await Installation.for(context, { servers: quickServers(2) });
    const wrong = {
      bmc: 'wrong-Pa55word-x',
      token: 'wrong-token-0123456789abcdef',
      kube: 'wrong-kube-0123456789abcdef',
    };
    await writeFile(path.join(installation.folder, 'lab', 'bmc-password'), wrong.bmc);
    const kubeconfig = path.join(installation.folder, 'wrong-kubeconfig');
    const { lab } = installation;
    const good = await readFile(lab.kubeconfigFile, 'utf8');
    await writeFile(kubeconfig, good.replaceAll(lab.kubernetes.tokens.pitcrew, wrong.kube), { mode: 0o600 });
    expect(await readFile(kubeconfig, 'utf8')).toContain(wrong.kube);
    const daemon = await installation.startDaemon();
    const secrets = await secretsOf(installation);
    secrets.set('a wrong password or token', Object.values(wrong));
    const searcher = new Searcher(secrets, await installation.redis());
    const client = await daemon.client();
    const watched = await installation.pitcrew(['start', planName, '--watch']);
    expect(watched.code).toBe(1);
    expect(watched.stdout).toMatch(/password/);
    const texts = [watched.stdout, watched.stderr];
    const [run] = await client.runs();
    texts.push(...(await askEverything(installation, client, run?.runId ?? '')));
    const refused = await installation.pitcrew(['status'], { PITCREW_TOKEN: wrong.token });
    expect(refused).toMatchObject({ code: 4, stdout: '' });
    texts.push(refused.stderr);
    await searcher.stop();
    await daemon.stop();
    const second = await installation.startDaemon({ kubeconfig });
    const doctor = await installation.pitcrew(['doctor']);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(/cluster\/unauthorized|token or certificate/);
    const started = await installation.pitcrew(['start', planName]);
    expect(started.code).toBe(4);
    texts.push(doctor.stdout, doctor.stderr, started.stdout, started.stderr);
    for (const text of texts) searcher.look('an error', text);
    for (const each of [daemon, second]) searcher.look('the log', await each.log());
    expect([...searcher.found]).toEqual([]);
    expect(texts.join('').length).toBeGreaterThan(1_000);
  }, 240_000);
});
