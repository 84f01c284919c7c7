import { describe, expect, it } from 'vitest';
import { renderChanges } from '../../src/cli/render/changes.ts';
import { renderDoctor } from '../../src/cli/render/doctor.ts';
import { renderHistory, renderOutput } from '../../src/cli/render/history.ts';
import { renderExplanation } from '../../src/cli/render/explanation.ts';
import { renderPlan } from '../../src/cli/render/plan.ts';
import { renderRuns } from '../../src/cli/render/runs.ts';
import { renderServers } from '../../src/cli/render/servers.ts';
import { renderStatus } from '../../src/cli/render/status.ts';
import { clean, duration, fit, pad, table, widthOf, wrap, type View } from '../../src/cli/render/text.ts';
import type { RunView, ServerRow } from '../../src/workflow/run-view.ts';
import { minutesMs, runView, serverRow } from '../api/views.ts';
import type { ServerSummary } from '../../src/engine/operations.ts';
import { busyRun, findings, haltedRun, history, nowMs, preview, servers } from './samples.ts';

const view: View = { nowMs, width: 80, color: false, timeZone: 'Europe/Berlin' };

function lines(...text: string[]): string {
  return text.join('\n');
}

describe('status', () => {
  it.each([
    [1_000, 'ends soon'],
    [40_000, 'ends in about 40s'],
    [601_000, 'ends about 00:51'],
  ])('says when a run ends so that it means something: in %i ms, %s', (leftMs, text) => {
    expect(renderStatus({ ...busyRun, endsAboutMs: nowMs + leftMs }, { ...view, width: 120 })).toContain(text);
  });

  it('shows head, bar, what every active server is doing, and the last that ended', () => {
    expect(renderStatus(busyRun, view)).toBe(
      lines(
        'run 2611-a7 · weekly-kernel · wave 3 of 3 · 17 of 40 done · 1 waiting',
        '1,204 pods moved · ends about 02:08',
        '█████████████████░░░░░░░░░░░░░░░░░░░░░░░░░  42 %',
        '',
        ' server    phase          for  what is going on',
        ' rack2-05  rebooting   3m 10s  asked over SSH; BMC says on; waiting for a new b…',
        ' rack2-09  evacuating  2m 02s  waiting: budget shop/web allows 0 now (needs 5,…',
        ' rack2-03  evacuating     48s  19 of 31 pods away · ledger-2 (criu)',
        ' rack2-07  verifying       4s  failed 2 times, last: no answer over SSH · kerne…',
        '',
        ' last: 00:41:10 rack2-01 done in 7m 58s (evacuating 1m 12s · rebooting 4m 40s)',
      ),
    );
  });

  it('tells of a halt what happened, what was tried, what is true and what to do', () => {
    expect(renderStatus(haltedRun, view)).toBe(
      lines(
        'run 2611-b2 · weekly-kernel · HALTED · 3 of 40 done · 1 failed · 1 skipped',
        'took 1h 21m',
        '████░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  10 %',
        ' rack2-05: 1 failed (halt after 1)',
        '',
        ' last: 00:41:10 rack2-01 done in 7m 58s (evacuating 1m 12s · rebooting 4m 40s)',
        '',
        'HALTED rack2-05 · the server did not come back',
        ' tried: 23:38:02 asked over SSH · 23:58:02 BMC soft · 00:03:05 BMC off',
        '        00:03:40 BMC on · 00:04:12 SEL: Memory uncorrectable ECC, DIMM_B2',
        ' now:   31 of 31 pods away · the node stays cordoned (owner: run 2611-b2)',
        '        it keeps its place in the budget',
        ' next:  look at the console (`ipmitool … sol activate`), then retry or skip',
        '        `pitcrew retry 2611-b2 rack2-05` · `pitcrew skip 2611-b2 rack2-05`',
      ),
    );
  });

  it('a halt after many tries tells how they began and ended, so that what to do next is still on the screen', () => {
    const [row] = haltedRun.servers.filter(({ phase }) => phase === 'halted');
    const tried = Array.from({ length: 60 }, (_, index) => ({ atMs: index, text: `no answer ${index >> 1}` }));
    const servers = row ? [{ ...row, tried }] : [];
    const text = renderStatus({ ...haltedRun, servers }, view);
    expect(text).toContain('no answer 3 (2 times)');
    expect(text).toContain('… 44 more …');
    expect(text).toContain('no answer 29 (2 times)');
    expect(text).not.toContain('no answer 4 ');
  });

  it.each([
    ['paused', { kind: 'paused', by: 'anna@ops1' }, ' paused by anna@ops1; `pitcrew resume r1` goes on'],
    ['running', { kind: 'waiting', for: 'soak', text: 'wave 1 soaks' }, ' waiting: wave 1 soaks'],
    ['running', { kind: 'blocked', by: '1 failed (halt after 1)' }, ' blocked: 1 failed (halt after 1)'],
  ] as const)('says of a run that is %s why it does not move', (status, hold, line) => {
    const text = renderStatus(runView({ runId: 'r1', status, hold, counts: { ...busyRun.counts, done: 0 } }), view);
    expect(text.split('\n').at(-1)).toBe(line);
    expect(text.startsWith(status === 'paused' ? 'run r1 · weekly-kernel · PAUSED · 0 of' : 'run r1')).toBe(true);
  });

  it('says until when a run waits for what others have to free', () => {
    const hold = { kind: 'waiting', for: 'budget', text: 'budget: rack1-02 unavailable, at most 1' } as const;
    const text = renderStatus(runView({ hold, givesUpMs: nowMs + 90 * 60_000 }), view);
    expect(text.split('\n').at(-1)).toBe(' waiting: budget: rack1-02 unavailable, at most 1 · gives up 02:11');
  });

  it('tells of the rebalancing: points before and now, moves, what is under way, why it ended', () => {
    const rebalance = {
      policy: 'spread',
      before: { points: 62.3 },
      now: { points: 38 },
      moved: 3,
      failed: 0,
      movesMax: 20,
      doing: 'shop/web-1 from rack1-01 to rack2-02 (surge)',
      hasEnded: false,
      reason: '',
    } as const;
    const last = (run: RunView): string | undefined =>
      renderStatus(run, { ...view, width: 120 })
        .split('\n')
        .at(-1);
    const running = runView({ rebalance });
    expect(last(running)).toBe(
      ' rebalancing: before 62 points · now 38 points · 3 of at most 20 moves · shop/web-1 from rack1-01 to rack2-02 (surge)',
    );
    const ended = { ...rebalance, now: { points: 14 }, moved: 7, failed: 1, doing: '', hasEnded: true };
    const done = runView({ status: 'done', endedMs: nowMs, rebalance: { ...ended, reason: 'stopped by ann' } });
    expect(last(done)).toBe(' rebalanced: before 62 points · after 14 points · 7 moves · 1 failed · stopped by ann');
    const lines = renderChanges(running, done, view).map((line) => line.slice('00:00:00  '.length));
    expect(lines).toContain('rebalanced · before 62 points · after 14 points · 7 moves · 1 failed: stopped by ann');
    expect(renderChanges(running, running, view)).toEqual([]);
  });

  it('a watch log tells a hold once, also where tries fail behind it, and with the phase where it came with it', () => {
    const hold = { kind: 'blocked', by: 'shop/db-0: bare pod' } as const;
    const lastError = { code: 'ssh/timeout', message: 'no answer', count: 1, atMs: nowMs };
    const row = serverRow({ name: 'a', phase: 'preparing', hold, lastError });
    const told = (before: ServerRow | undefined, after: ServerRow): string[] =>
      renderChanges(before && runView({ servers: [before] }), runView({ servers: [after] }), view)
        .filter((line) => line.includes('  a  '))
        .map((line) => line.slice('00:00:00  a  '.length));
    const words = 'preparing  blocked: shop/db-0: bare pod';
    expect(told(undefined, row)).toEqual([words]);
    expect(told(serverRow({ name: 'a', phase: 'preparing' }), row)).toEqual([words]);
    expect(told(row, { ...row, lastError: { ...lastError, count: 2 } })).toEqual([]);
    expect(told(row, { ...row, hold: { kind: 'none' } })).toEqual(['preparing goes on']);
  });

  it('says an error once, also where the engine’s own words hold it, and of an ended server its reason', () => {
    const lastError = { code: 'ssh/timeout', message: 'no answer', count: 1, atMs: nowMs };
    const hold = { kind: 'waiting', for: 'pods', text: 'old news' } as const;
    const retrying = serverRow({ name: 'a', phase: 'verifying', doing: 'no answer; tried again', lastError });
    const ended = serverRow({ name: 'b', phase: 'skipped', reason: 'skipped by anna@ops1', hold, endedMs: nowMs });
    const text = renderStatus(runView({ servers: [retrying, ended] }), view, { all: true });
    expect(text).toContain('failed 1 time · no answer; tried again');
    expect(text).toMatch(/ b +skipped +skipped by anna@ops1/);
  });

  it('after a stop shows no alarm for what came back as asked', () => {
    const undone = serverRow({ phase: 'undone', endedMs: nowMs, reason: 'stopped' });
    const run = runView({ status: 'undone', servers: [undone], reason: 'stopped by anna@ops1' });
    expect(renderStatus(run, view)).not.toContain('next:');
    expect(renderStatus({ ...run, status: 'halted' }, view)).toContain('pitcrew retry 2611-a7 rack1-01');
  });

  it('keeps within the lines of the screen and says how many servers it left out', () => {
    const many = Array.from({ length: 50 }, (_value, index) =>
      serverRow({ name: `rack1-${index}`, phase: 'servicing', sinceMs: nowMs - index * minutesMs }),
    );
    const text = renderStatus(runView({ servers: many }), view, { linesMax: 20 });
    expect(text.split('\n').length).toBeLessThanOrEqual(20);
    expect(text).toContain('… and 36 more servers');
  });

  it('shows every server when asked: at work, ended, not begun', () => {
    const names = [...renderStatus(busyRun, view, { all: true }).matchAll(/^ (rack\S+) +(\S+)/gm)].map((match) =>
      match.slice(1).join(' '),
    );
    expect(names).toEqual([
      'rack2-05 rebooting',
      'rack2-09 evacuating',
      'rack2-03 evacuating',
      'rack2-07 verifying',
      'rack2-01 done',
      'rack3-01 pending',
    ]);
  });
});

describe('the other pages', () => {
  it('plan: waves, ways of the pods, blockers with whom to ask, warnings', () => {
    expect(renderPlan(preview, view)).toBe(
      lines(
        'weekly-kernel · kernel-update · 12 servers match · 2 left out',
        'documents 4f1c2ab',
        'opens Sun 29 Nov 00:56 CET for 4h · predicted 2h (p95 2h 58m)',
        'fits, 1h 02m to spare · measured on 41 servers (kernel-update, model r640)',
        '',
        ' wave  servers  at once  from   to     p95    why not more at once',
        '    1        1        1  00:56  01:17  01:22  then 30m soak, then approval',
        '    2        2        2  01:47  02:08  02:18  all of it; then 10m soak',
        '    3        7        4  02:18  02:56  03:54  budget 4',
        '',
        ' pods to move  114    alive by criu 96 · surge 18',
        ' they keep            memory 96 · nothing: restart 18',
        ' other pods           24 stay · 2 blocked',
        '',
        ' blockers 2',
        ' rack1-04  ci/runner-9',
        '             hostPath /var/cache',
        ' rack1-07  shop/orders-db-0',
        '             its budget can never be met (minAvailable 1 of 1)',
        '             ask the owner of budget shop/orders-db',
        ' these 2 servers are left out of the run',
        '',
        ' warnings 1',
        '  ci/logger tolerates the cordon and stays: it would come straight back',
      ),
    );
    expect(renderExplanation(preview, 'rack1-07', view)).toBe(
      lines(
        'rack1-07 · left out · 1 pod',
        '',
        ' shop/orders-db-0  blocked  its budget can never be met (minAvailable 1 of 1)',
        '                            ask the owner of budget shop/orders-db',
      ),
    );
    expect(renderExplanation(preview, 'rack1-02', view).split('\n').slice(0, 7)).toEqual([
      'rack1-02 · wave 2 · 00:56 to 01:15 (p95 01:20)',
      'takes 19m, measured on 41 servers · 138 pods',
      ' steps  prepare 20s · reboot-2 4m (p95 9m)',
      '',
      ' shop/moves-0   moves    alive by criu: keeps its memory, gets another address,',
      '                         connections are closed · to rack1-09.example.org',
      '                         about 12s',
    ]);
    const cordoned = preview.servers.map((server) =>
      server.name === 'rack1-02' ? { ...server, leftOut: { because: 'cordoned by run 2611-a7', owner: '' } } : server,
    );
    expect(renderExplanation({ ...preview, servers: cordoned, pods: [] }, 'rack1-02', view).split('\n')[0]).toBe(
      'rack1-02 · left out: cordoned by run 2611-a7 · 0 pods',
    );
    expect(renderExplanation(preview, 'nobody', view)).toBe('the plan weekly-kernel has no server nobody');
  });

  it('plan: why pods that would go alive do not, the two most frequent reasons', () => {
    const because = ['a', 'b', 'b', 'c', 'b', 'a', 'd'];
    const pods = preview.pods
      .filter(({ verdict }) => verdict === 'moves')
      .slice(0, because.length)
      .map((one, index) => ({ ...one, notAlive: because[index] }));
    expect(renderPlan({ ...preview, pods }, view)).toContain(
      '\n not alive            b 3 · a 2 · 2 other reasons (--explain SERVER)\n',
    );
  });

  it('plan: what does not fit its window is said in the third line, and no time without how sure it is', () => {
    const { forecast } = preview;
    const third = (change: Partial<typeof forecast>): string =>
      renderPlan({ ...preview, forecast: { ...forecast, ...change } }, { ...view, width: 200 }).split('\n')[2] ?? '';
    expect(third({ later: { p50: 4, p95: 5 } })).toContain('no, 4 (p95 5) of 10 servers wait for a later window');
    expect(third({ later: { p50: 0, p95: 2 } })).toContain('just fits; where servers are slow, 2 of 10 servers wait');
    expect(third({ never: 3, why: 'budget 0' })).toContain('no, 3 of 10 servers cannot start: budget 0');
    const stated = { p50Ms: 1_800_000, p95Ms: 1_800_000, measured: 0, group: '' };
    expect(third({ sources: [{ servers: 10, takes: stated }] })).toContain('30m each assumed, not measured yet');
  });

  it('plan, status and history: the commit, where the documents come from Git', () => {
    const commit = '4f1c2ab07d1e5c3b9a8f6e4d2c1b0a9f8e7d6c5b';
    const definition = { ...preview.definition, commit };
    const [planLine] = renderPlan({ ...preview, definition }, view).split('\n');
    expect(planLine).toBe('weekly-kernel · kernel-update · 12 servers match · 2 left out · commit 4f1c2ab');
    expect(renderStatus(runView({ commit }), view)).toContain('run 2611-a7 · weekly-kernel · commit 4f1c2ab ·');
    const created = renderHistory([{ version: 1, atMs: nowMs, event: { kind: 'runCreated', definition } }], view);
    const single = { ...definition, purpose: 'power' as const, plan: 'rack1-02' };
    const byHand = renderHistory(
      [
        { version: 1, atMs: nowMs, event: { kind: 'runCreated', definition: single } },
        { version: 2, atMs: nowMs, event: { kind: 'powerByHand', server: 'rack1-02', verb: 'off', by: 'anna@ops1' } },
      ],
      view,
    );
    expect(byHand).toContain('power of rack1-02 asked for by anna@ops1');
    expect(byHand).toContain('power off of rack1-02 asked for by anna@ops1, by hand');
    expect(created.replaceAll(/\s+/g, ' ')).toContain('weekly-kernel (kernel-update) from commit 4f1c2ab created by');
  });

  it('doctor: one line per subject, and what to do where it is not ok', () => {
    expect(renderDoctor(findings, view)).toBe(
      lines(
        ' kubernetes  ok  v1.36.2, 40 nodes · all rights',
        ' redis       ok  8.0, append-only every write',
        ' movers      ok  criu ready on 36 of 40 · surge, evict always',
        ' db-07       no  ssh ok · bmc refused the password',
        '                 next: correct the password reference of this server in the',
        '                 inventory',
        ' rack3-04    ok  ssh ok · bmc ok',
        '1 server ready, 1 needs attention',
      ),
    );
  });

  it('leaves out the name of the server where all is about one', () => {
    const about = history.filter(({ server }) => server !== undefined).slice(0, 2);
    const name = about[0]?.server ?? '';
    const text = renderHistory(
      about.map((entry) => ({ ...entry, server: name })),
      view,
    );
    expect(name).not.toBe('');
    expect(text).toContain('started');
    expect(text).not.toContain(`  ${name}  `);
  });

  it('history: one line per event, long ones indented below themselves', () => {
    expect(renderHistory(history, view)).toBe(
      lines(
        'Sat 28 Nov',
        ' 22:51:50            run of weekly-kernel (kernel-update) created by anna@ops1:',
        '                     12 servers in 3 waves',
        ' 22:51:50            rack1-01 may start',
        ' 22:52:50  rack1-01  evacuate started',
        ' 22:53:50  rack1-01  payments/ledger-2 starts to move by criu to rack1-02, keeps',
        '                     its memory, gets another address, connections are closed',
        ' 22:54:45  rack1-01  payments/ledger-2 is away: on rack1-02, kept memory, stood',
        '                     still for 410 ms',
        ' 23:51:50  rack1-01  reboot failed (reboot/no-evidence, halt): no new boot id in',
        '                     20 min although the BMC says that the power is on',
      ),
    );
  });

  it('servers: by name as people count, rack1-2 before rack1-10', () => {
    expect(renderServers(servers, view)).toBe(
      lines(
        ' server    state            kernel                pods  run      site',
        ' rack1-2   ready            6.12.100+deb13-amd64    31           fra1',
        ' rack1-10  ready, cordoned  6.12.107+deb13-amd64     4  2611-a7  fra1',
      ),
    );
    // Ids that a window gives are longer, and a run that has ended is named where its cordon is.
    const long = servers.map((server) => ({ ...server, runId: server.runId && '261128-1a2b3c4d' }));
    expect(renderServers(long, view)).toContain('  261128-1a2b3c4d  ');
    const left = { ...long.slice(0, 1)[0], state: 'ready, cordoned by run 261121-1a2b3c4d', runId: undefined };
    expect(renderServers([{ ...servers[0], ...left } as ServerSummary], view)).toContain('by run 261121-1a2b3c4d  ');
  });

  it('runs: the newest first', () => {
    const older = { ...haltedRun, createdMs: haltedRun.createdMs - minutesMs };
    expect(renderRuns([older, busyRun], view)).toBe(
      lines(
        ' run      plan           status    done  failed  started              for',
        ' 2611-a7  weekly-kernel  running  17/40          Sat 28 Nov 23:01  1h 40m',
        ' 2611-b2  weekly-kernel  halted    3/40       1  Sat 28 Nov 23:00  1h 22m',
      ),
    );
  });

  it('output: a head per step, and no escape sequence of a server reaches the terminal', () => {
    const evil = '\u001B]0;owned\u0007\u001B[2Jok\rnext';
    const text = renderOutput([{ atMs: nowMs, step: 'service-1', text: `${evil}\nline 2\n` }], view);
    expect(text).toBe(lines('── service-1', '00:41:50  ok next', '00:41:50  line 2'));
  });
});

describe('every page', () => {
  const pages: [string, (given: View) => string][] = [
    ['status', (given) => renderStatus(busyRun, given)],
    ['status of a halt', (given) => renderStatus(haltedRun, given)],
    ['status with all', (given) => renderStatus(busyRun, given, { all: true })],
    ['plan', (given) => renderPlan(preview, given)],
    ['explanation', (given) => renderExplanation(preview, 'rack1-07', given)],
    ['doctor', (given) => renderDoctor(findings, given)],
    ['history', (given) => renderHistory(history, given)],
    ['servers', (given) => renderServers(servers, given)],
    ['runs', (given) => renderRuns([busyRun, haltedRun], given)],
  ];

  it.each(pages)('%s fits 60, 80 and 100 columns', (_name, render) => {
    for (const width of [60, 80, 100]) {
      const tooWide = render({ ...view, width })
        .split('\n')
        .filter((line) => widthOf(line) > width);
      expect({ width, tooWide }).toEqual({ width, tooWide: [] });
    }
  });

  it.each(pages)('%s says the same without colour as with it', (name, render) => {
    const plain = render(view);
    const colored = render({ ...view, color: true });
    // oxlint-disable-next-line no-control-regex -- the escape character is what is looked for
    expect(colored.replaceAll(/\u001B\[[\d;]*m/g, '')).toBe(plain);
    expect(colored === plain).toBe(name === 'explanation');
  });
});

describe('text', () => {
  it.each([
    [0, '0s'],
    [999, '0s'],
    [48_000, '48s'],
    [122_000, '2m 02s'],
    [190_000, '3m 10s'],
    [3_720_000, '1h 02m'],
    [183_600_000, '2d 03h'],
    [-5, '0s'],
  ])('%i ms is %s', (lengthMs, text) => {
    expect(duration(lengthMs)).toBe(text);
  });

  it.each([
    ['plain', 5],
    ['日本', 4],
    ['🏎️ go', 5],
    ['e\u0301', 1],
    ['한글', 4],
    ['…·█', 3],
  ])('%s takes %i columns', (text, columns) => {
    expect(widthOf(text)).toBe(columns);
  });

  it('is cut at a whole character, with a mark, and never wider than allowed', () => {
    expect(fit('日本語', 5)).toBe('日本…');
    expect(fit('日本語', 4)).toBe('日…');
    expect(fit('short', 5)).toBe('short');
    expect(fit('anything', 0)).toBe('');
    expect(pad('日本', 6)).toBe('日本  ');
  });

  it('is wrapped at words, and inside a word only when that is longer than the line', () => {
    expect(wrap('a budget that can never', 8)).toEqual(['a budget', 'that can', 'never']);
    expect(wrap('x abcdefghij y', 4)).toEqual(['x', 'abcd', 'efgh', 'ij y']);
  });

  it('loses what could steer the terminal', () => {
    expect(clean('a\u001B[31mb\u001B[0m\u0007c\u202Ed\ne\tf')).toBe('abcd e f');
  });

  it('lines up in tables whatever the script', () => {
    const text = table(
      [{ title: 'name' }, { title: 'n', align: 'right' }],
      [
        [{ text: '日本' }, { text: '1' }],
        [{ text: 'ab' }, { text: '10' }],
      ],
      view,
    );
    expect(text).toEqual([' name   n', ' 日本   1', ' ab    10']);
  });
});
