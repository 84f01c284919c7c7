import { describe, expect, it } from 'vitest';
import { powerNeed } from '../../src/workflow/power.ts';
import type { RebootLog } from '../../src/workflow/server-state.ts';

type Power = RebootLog['power'][number];
const asked = (state: 'off' | 'on'): Power => ({ kind: 'asked', state, atMs: 1 });
const seenOff: Power = { kind: 'seen', state: 'off', atMs: 2 };
const log = (...power: Power[]): RebootLog => ({ rungs: [], power });

describe('a power rung', () => {
  it('asks for off until the power is seen to be off, and only then for on', () => {
    expect(powerNeed(log(), 'on')).toBe('off');
    expect(powerNeed(log(asked('off')), 'on')).toBe('off');
    expect(powerNeed(log(asked('off')), 'off')).toBe('on');
    expect(powerNeed(log(asked('off'), seenOff), 'off')).toBe('on');
  });

  it('never asks for off again once on was asked for; on itself may be asked for again where it was lost', () => {
    expect(powerNeed(log(asked('off'), seenOff, asked('on')), 'on')).toBe('none');
    expect(powerNeed(log(asked('off'), seenOff, asked('on')), 'off')).toBe('onAgain');
  });

  it('does not switch on what was on and has been switched off by somebody', () => {
    const seenOn: Power = { kind: 'seen', state: 'on', atMs: 3 };
    expect(powerNeed(log(asked('off'), seenOff, asked('on'), seenOn), 'on')).toBe('none');
    expect(powerNeed(log(asked('off'), seenOff, asked('on'), seenOn), 'off')).toBe('switchedOff');
  });
});
