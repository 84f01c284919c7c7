/** The wrapper around runc, with the real runc: what it costs a container that is not moved, and that it is nothing else than runc. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LabServer } from '../../src/lab/nodes/server.ts';
import { layOutBundle } from './bundle.ts';
import { TestLab } from './harness.ts';
import { prepared, wrapper } from './installed.ts';

const minuteMs = 60_000;
const rounds = 40;
/** What runc needs for a start where nothing else goes on (docs/measurements.md). Where it needs longer, all else may. */
const quietStartMs = 47;
/** A bundle whose program ends at once, and one whose program goes on. */
const [quick, lasting] = ['/run/quick', '/run/lasting'];
/** Of a pod that has nothing to do with the containers here. */
const otherMove = 'mkdir -p /run/pitcrew/moves/other /run/pitcrew/containers';
let test: TestLab;
let server: LabServer;

beforeAll(async () => {
  test = await TestLab.start({ names: ['node-a'], ...prepared });
  server = test.server('node-a');
  await layOutBundle(server, { folder: quick, args: ['true'] });
  await layOutBundle(server, { folder: lasting, args: ['sleep', 'infinity'] });
}, 20 * minuteMs);
afterAll(async () => {
  await test.stop();
}, minuteMs);

/**
 * Create and start in turns through one and the other: nanoseconds on the wall, then milliseconds of processor time of all
 * that was waited for. What is started ends at once, and is deleted outside of what is measured.
 */
const starts = `
cd /run
i=0
while [ "$i" -lt "$1" ]; do
  i=$((i + 1))
  for each in runc ${wrapper}; do
    # In this shell, for its own children are counted.
    times >before; begun=$(date +%s%N)
    "$each" create --bundle ${quick} --pid-file pid "c$i" </dev/null >/dev/null 2>&1 && "$each" start "c$i"
    ended=$(date +%s%N); times >after
    echo "$each $((ended - begun)) $(sed -n 2p before) $(sed -n 2p after)"
    runc delete --force "c$i"
  done
done`;

interface Start {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function measure(): Promise<{ plain: Start[]; wrapped: Start[] }> {
  const { stdout } = await server.run(['bash', '-c', starts, 'bash', String(rounds)], { timeoutMs: 5 * minuteMs });
  const found = { plain: [] as Start[], wrapped: [] as Start[] };
  for (const line of stdout.trim().split('\n')) {
    const [program = '', wallNs = '', ...times] = line.split(' ');
    const [userBefore = 0, systemBefore = 0, user = 0, system = 0] = times.map(secondsOf);
    const start = { wallMs: Number(wallNs) / 1e6, cpuMs: (user + system - userBefore - systemBefore) * 1_000 };
    (program === 'runc' ? found.plain : found.wrapped).push(start);
  }
  return found;
}

/** `1m2.345s` */
function secondsOf(text: string): number {
  const [minutes = '0', seconds = '0'] = text.replace('s', '').split('m');
  return Number(minutes) * 60 + Number(seconds);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** What comes of it, without the time of day that runc writes before its errors. */
async function call(script: string, program: string): Promise<{ exitCode: number | undefined; said: string }> {
  const { exitCode, stdout, stderr } = await server.run(['sh', '-c', script, 'sh', program], { mayFail: true });
  return { exitCode, said: `${stdout}\n${stderr.replaceAll(/time="[^"]*"/g, '')}` };
}

describe('the wrapper around runc', () => {
  it.each([
    { when: 'nothing is moved', before: 'true', addedMsMax: 3 },
    { when: 'another pod is moved', before: otherMove, addedMsMax: 6 },
  ])(
    'adds $addedMsMax milliseconds at most to the start of a container, while $when',
    { timeout: 6 * minuteMs },
    async ({ when, before, addedMsMax }) => {
      await server.run(['sh', '-c', before]);
      const { plain, wrapped } = await measure();
      await server.run(['rm', '-rf', '/run/pitcrew']);
      expect([plain.length, wrapped.length]).toEqual([rounds, rounds]);
      // Processor time: on a machine that has other things to do, the time on the wall says more about those.
      const addedMs = mean(wrapped.map(({ cpuMs }) => cpuMs)) - mean(plain.map(({ cpuMs }) => cpuMs));
      const wall = (of: readonly Start[]): number => median(of.map(({ wallMs }) => wallMs));
      console.log(
        `runc create and start, while ${when}: ${wall(plain).toFixed(1)} ms, through the wrapper ${wall(wrapped).toFixed(1)} ms (medians of ${rounds}); processor time added: ${addedMs.toFixed(1)} ms`,
      );
      expect(addedMs).toBeLessThanOrEqual(addedMsMax * Math.max(1, wall(plain) / quietStartMs));
    },
  );

  /** `$1` is runc, or the wrapper. */
  const calls: readonly (readonly [what: string, script: string, exitCode: number])[] = [
    ['tells its version', '"$1" --version', 0],
    ['refuses a word that it does not know', '"$1" nonsense', 3],
    ['fails for a container that is not there', '"$1" state nobody', 1],
    ['passes streams and exit code on', `echo hello | "$1" exec lasting sh -c 'cat; echo aside >&2; exit 42'`, 42],
    ['takes empty and odd arguments', `"$1" exec lasting sh -c 'printf "<%s>" "$@"' sh '' 'a  b' '*' -x --bundle`, 0],
    [
      'passes signals on',
      `timeout --preserve-status -s TERM 1 "$1" exec lasting sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'`,
      7,
    ],
    ['is ended as runc is', 'timeout --preserve-status -s KILL 0.5 "$1" exec lasting sleep 60', 137],
  ];

  it.each([
    ['nothing is moved', 'true'],
    ['another pod is moved', otherMove],
  ])('is runc, in every call, while %s', { timeout: 2 * minuteMs }, async (_when, before) => {
    const start = `runc run --detach --bundle ${lasting} lasting </dev/null >/dev/null 2>&1`;
    await server.run(['sh', '-c', `${before} && ${start}`]);
    for (const [what, script, exitCode] of calls) {
      const plain = await call(script, 'runc');
      expect({ what, ...(await call(script, wrapper)) }).toEqual({ what, ...plain });
      expect({ what, exitCode: plain.exitCode }).toEqual({ what, exitCode });
    }
    await server.run(['sh', '-c', 'runc delete --force lasting; rm -rf /run/pitcrew']);
  });
});
