import { describe, expect, it } from 'vitest';
import type { ProgramStep } from '../../src/workflow/definition.ts';
import type { ServerEvent } from '../../src/workflow/events.ts';
import { applyServerEvent, emptyServerState } from '../../src/workflow/server-state.ts';
import { viewRun } from '../../src/workflow/view-run.ts';
import { definition as anyRun, runAfter, until } from './fixtures.ts';

/** What is said of a server that runs this script just now. */
function doing(script: string): string | undefined {
  const action = { ssh: { run: script, timeoutMs: 1 } };
  const steps = anyRun().program.map((step): ProgramStep => (step.kind === 'service' ? { ...step, action } : step));
  const service = steps.find((step) => step.kind === 'service');
  if (!service) throw new Error('a program with a service');
  const events: ServerEvent[] = [...until(service.id), { kind: 'stepStarted', step: service.id, attempt: 1 }];
  const state = events.reduce(
    (before, event, index) => applyServerEvent(before, event, index + 1, steps),
    emptyServerState('a', steps),
  );
  const run = runAfter({}, { kind: 'waveStarted', wave: 0 }, { kind: 'serverAdmitted', server: 'a' });
  const definition = { ...run.definition, program: steps };
  return viewRun({ ...run, definition }, new Map([['a', state]]), 0).servers[0]?.doing;
}

describe('of a script the first line that does something is shown', () => {
  it.each([
    ['apt-get -y upgrade', 'apt-get -y upgrade'],
    ['#!/bin/sh\n\n# why\nset -eu\nexport DEBIAN_FRONTEND=noninteractive\napt-get -y upgrade\n', 'apt-get -y upgrade'],
    ['export A=1 B=\'two words\'\nC="3 4"\ncd /tmp\nmake install', 'make install'],
    ['A=1 make install', 'A=1 make install'],
    ['out=$(ls); echo "$out"', 'out=$(ls); echo "$out"'],
    ['set -eu', 'set -eu'],
  ])('%j', (script, line) => {
    expect(doing(script)).toBe(`running: ${line}`);
  });
});
