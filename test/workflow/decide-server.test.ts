import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/errors/maintenance-error.ts';
import { backOffMs, decideServer, retryForMs, type Control } from '../../src/workflow/decide-server.ts';
import type { ServerEvent } from '../../src/workflow/events.ts';
import { definition, moveStarted, serverAfter, until } from './fixtures.ts';

const free: Control = { admitted: true, skip: false, retryRequest: 0 };
const failed = (step: string, disposition: 'retry' | 'halt'): ServerEvent[] => [
  { kind: 'stepStarted', step, attempt: 1 },
  { kind: 'stepFailed', step, code: 'ssh/timeout', disposition, message: 'no' },
];

function decide(events: readonly ServerEvent[], control: Partial<Control> = {}, nowMs = 50_000) {
  return decideServer(definition(), serverAfter(...events), { ...free, ...control }, nowMs);
}

describe('a server', () => {
  it('does nothing without a place in the budget', () => {
    expect(decide([], { admitted: false }).kind).toBe('rest');
  });

  it('starts with the first step that is not finished', () => {
    expect(decide([])).toMatchObject({ kind: 'start', step: { id: 'prepare' } });
    expect(decide(until('reboot-2'))).toMatchObject({ kind: 'start', step: { id: 'reboot-2' } });
  });

  it('goes on with a step that was started before a crash, instead of starting it again', () => {
    expect(decide([...until('evacuate'), { kind: 'stepStarted', step: 'evacuate', attempt: 1 }])).toMatchObject({
      kind: 'advance',
      step: { id: 'evacuate' },
    });
  });

  it('is done when nothing was needed, without a cordon', () => {
    const probe: ServerEvent[] = [
      { kind: 'stepStarted', step: 'prepare', attempt: 1 },
      { kind: 'stepFinished', step: 'prepare', evidence: { needed: false } },
    ];
    expect(decide(probe)).toEqual({ kind: 'end', outcome: 'done', reason: 'nothing to do' });
  });

  it.each([
    ['prepare', true],
    ['cordon', true],
    ['evacuate', false],
    ['service-1', true],
    ['reboot-2', false],
    ['rejoin', false],
    ['verify', false],
    ['return', true],
  ])('stops for a pause before %s: %s', (step, stops) => {
    expect(decide(until(step), { pausedBy: 'me' }).kind).toBe(stops ? 'hold' : 'start');
  });

  it('is brought back by a stop before servicing, and goes on to its end after', () => {
    expect(decide(until('service-1'), { stoppedBy: 'me' })).toMatchObject({ kind: 'beginUndo', outcome: 'undone' });
    expect(
      decide([...until('service-1'), { kind: 'stepStarted', step: 'service-1', attempt: 1 }], { stoppedBy: 'me' }),
    ).toMatchObject({
      kind: 'advance',
    });
  });

  it('is brought back by a skip before servicing', () => {
    expect(decide(until('evacuate'), { skip: true })).toMatchObject({ kind: 'beginUndo', outcome: 'skipped' });
  });
});

describe('a failed step', () => {
  it('waits longer after each failure, and tries again', () => {
    expect([1, 2, 3, 6, 20].map(backOffMs)).toEqual([1_000, 2_000, 4_000, 30_000, 30_000]);
    expect(decide(failed('prepare', 'retry'), {}, 2_500)).toEqual({ kind: 'backOff', forMs: 500 });
    expect(decide(failed('prepare', 'retry'), {}, 3_000)).toMatchObject({ kind: 'start', attempt: 2 });
  });

  it('is given up after the time for retries, at the earliest after three tries', () => {
    const late = 3_000 + retryForMs;
    expect(decide(failed('prepare', 'retry'), {}, late).kind).toBe('start');
    const thrice: ServerEvent[] = [
      ...failed('prepare', 'retry'),
      ...failed('prepare', 'retry'),
      ...failed('prepare', 'retry'),
    ];
    expect(decide(thrice, {}, late).kind).toBe('beginUndo');
  });

  it('is undone before the point of no return, and halts after it', () => {
    expect(decide([...until('evacuate'), ...failed('evacuate', 'halt')])).toMatchObject({
      kind: 'beginUndo',
      because: 'no',
    });
    expect(decide([...until('reboot-2'), ...failed('reboot-2', 'halt')])).toMatchObject({
      kind: 'end',
      outcome: 'halted',
      reason: 'no',
    });
  });
});

describe('undo', () => {
  const undoing: ServerEvent[] = [...until('evacuate'), { kind: 'undoStarted', because: 'stop', outcome: 'undone' }];

  it('goes backwards through what was begun and ends with its reason', () => {
    expect(decide(undoing)).toMatchObject({ kind: 'undo', step: { id: 'cordon' } });
    const cordonUndone: ServerEvent[] = [...undoing, { kind: 'stepUndone', step: 'cordon' }];
    expect(decide(cordonUndone)).toMatchObject({ kind: 'undo', step: { id: 'prepare' } });
    expect(decide([...cordonUndone, { kind: 'stepUndone', step: 'prepare' }])).toEqual({
      kind: 'end',
      outcome: 'undone',
      reason: 'stop',
    });
  });

  it('cannot begin once servicing has begun', () => {
    expect(() =>
      serverAfter(
        ...until('service-1'),
        { kind: 'stepStarted', step: 'service-1', attempt: 1 },
        { kind: 'undoStarted', because: 'x', outcome: 'undone' },
      ),
    ).toThrow(InvariantError);
  });
});

describe('a retry that a person asked for', () => {
  const halted: ServerEvent[] = [
    ...until('reboot-2'),
    ...failed('reboot-2', 'halt'),
    { kind: 'ended', outcome: 'halted', reason: 'no' },
  ];

  it('is taken up once', () => {
    expect(decide(halted, { retryRequest: 7 })).toEqual({ kind: 'takeRetry', request: 7 });
    expect(decide([...halted, { kind: 'retried', request: 7 }], { retryRequest: 7 })).toMatchObject({
      kind: 'start',
      step: { id: 'reboot-2' },
    });
  });

  it('begins from the start after an undo', () => {
    const undone: ServerEvent[] = [
      ...until('evacuate'),
      { kind: 'undoStarted', because: 'x', outcome: 'undone' },
      { kind: 'ended', outcome: 'undone', reason: 'x' },
      { kind: 'retried', request: 3 },
    ];
    expect(decide(undone, { retryRequest: 3 })).toMatchObject({ kind: 'start', step: { id: 'prepare' } });
  });
});

describe('a journal that cannot be true is refused', () => {
  it.each<[string, ServerEvent[]]>([
    ['a step out of order', [{ kind: 'stepStarted', step: 'cordon', attempt: 1 }]],
    ['a finish without a start', [{ kind: 'stepFinished', step: 'prepare', evidence: {} }]],
    [
      'a start within a start',
      [
        { kind: 'stepStarted', step: 'prepare', attempt: 1 },
        { kind: 'stepStarted', step: 'prepare', attempt: 2 },
      ],
    ],
    [
      'anything after the end',
      [
        { kind: 'ended', outcome: 'done', reason: '' },
        { kind: 'stepStarted', step: 'prepare', attempt: 1 },
      ],
    ],
    [
      'a second "on" in one rung',
      [
        ...until('reboot-2'),
        { kind: 'stepStarted', step: 'reboot-2', attempt: 1 },
        { kind: 'rungStarted', step: 'reboot-2', rung: 'bmc-cycle', commandId: 'c' },
        { kind: 'powerAsked', step: 'reboot-2', request: 'on' },
        { kind: 'powerAsked', step: 'reboot-2', request: 'on' },
      ],
    ],
    ['a second start of one move', [moveStarted(), moveStarted()]],
  ])('%s', (_, events) => {
    expect(() => serverAfter(...events)).toThrow(InvariantError);
  });
});
