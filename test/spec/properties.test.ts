import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { parseDocuments } from '../../src/spec/parse.ts';
import { MaintenancePlan } from '../../src/spec/plan.ts';
import type { MaintenancePlanInput } from '../../src/spec/plan.ts';
import { inventory, parseTexts, plan, playbook } from './documents.ts';

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const anyText = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const duration = fc
  .tuple(fc.nat(3), fc.nat(30), fc.integer({ min: 1, max: 59 }))
  .map(([h, m, s]) => `${h > 0 ? `${h}h` : ''}${m > 0 ? `${m}m` : ''}${s}s`);
const amount = fc.oneof(
  fc.integer({ min: 1, max: 500 }),
  fc.integer({ min: 1, max: 100 }).map((percent) => `${percent}%`),
);
const ways = fc.shuffledSubarray(['live', 'surge', 'evict'] as const, { minLength: 1 });

const rule = fc.record(
  {
    match: fc.record({ namespaces: fc.array(anyText, { minLength: 1, maxLength: 3 }) }),
    prefer: ways,
    restart: fc.constantFrom('allowed' as const, 'never' as const),
    action: fc.constantFrom('leave' as const, 'drain' as const, 'waitCompleted' as const),
    order: fc.integer({ min: -9, max: 9 }),
  },
  { requiredKeys: ['match', 'order'] },
);

const validPlan: fc.Arbitrary<MaintenancePlanInput> = fc.record({
  apiVersion: fc.constant('pitcrew.dev/v1' as const),
  kind: fc.constant('MaintenancePlan' as const),
  metadata: fc.record({ name: word, description: anyText }, { requiredKeys: ['name'] }),
  spec: fc.record(
    {
      playbook: fc.constant('reboot-only'),
      // Values that YAML would take for something else than text.
      targets: fc.record({
        matchLabels: fc.constant({ role: 'worker' }),
        matchExpressions: fc.array(
          fc.record({
            key: anyText,
            operator: fc.constant('NotIn' as const),
            values: fc.array(fc.constantFrom('no', '1', '0x1', 'null', '~', '1e3', ''), { minLength: 1 }),
          }),
        ),
      }),
      rollout: fc.record(
        {
          maxUnavailable: amount,
          maxParallel: fc.integer({ min: 1, max: 50 }),
          failureDomain: word,
          waves: fc.array(
            fc.record(
              { servers: amount, soak: duration, approval: fc.constant('required' as const) },
              { requiredKeys: ['servers'] },
            ),
            { minLength: 1, maxLength: 4 },
          ),
          haltAfter: fc.record({ failures: fc.integer({ min: 1, max: 9 }) }),
        },
        { requiredKeys: [] },
      ),
      evacuation: fc.record(
        {
          prefer: ways,
          rules: fc.array(rule, { maxLength: 3 }),
          localData: fc.constantFrom('keep' as const, 'lose' as const),
          barePods: fc.constantFrom('block' as const, 'lose' as const),
          timeout: duration,
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['playbook', 'targets'] },
  ),
});

test('a valid plan written as YAML, in whatever style, is read as what it was', () => {
  const styles = fc.record({
    collectionStyle: fc.constantFrom('any' as const, 'flow' as const, 'block' as const),
    indent: fc.constantFrom(2, 4),
    defaultStringType: fc.constantFrom('PLAIN' as const, 'QUOTE_DOUBLE' as const, 'QUOTE_SINGLE' as const),
    lineWidth: fc.constantFrom(0, 40, 80),
  });
  fc.assert(
    fc.property(validPlan, styles, (written, style) => {
      // The writer folds lines between the two halves of a surrogate pair: what it then has written is another text.
      const lineWidth = /[\uD800-\uDFFF]/.test(JSON.stringify(written)) ? 0 : style.lineWidth;
      const { plans, problems } = parseTexts({ plan: stringify(written, { ...style, lineWidth }) });
      expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
      expect(plans).toEqual([MaintenancePlan.parse(written)]);
    }),
    { numRuns: 120 },
  );
});

/** Pieces that YAML cares about, and pieces of documents. */
const piece = fc.oneof(
  fc.constantFrom(
    ...'{}[]:,-&*!|>\'"%@`#?\n\t \r~'.split(''),
    '---\n',
    '...\n',
    '<<: ',
    '&a ',
    '*a',
    '!!map ',
    '!!set ',
    '? ',
    '\uFEFF',
    '\0',
    '${',
    '$${',
  ),
  fc.constantFrom(
    'apiVersion: pitcrew.dev/v1\n',
    'kind: Inventory\n',
    'kind: Playbook\n',
    'kind: MaintenancePlan\n',
    'metadata: { name: a }\n',
    'spec:\n',
    '  servers:\n',
    '  service:\n',
    '    - ssh: ',
    'run: ',
    '__proto__: ',
    'constructor: ',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
);
const anyDocument = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

/** A valid document with one stretch replaced. */
const damaged = fc
  .tuple(fc.constantFrom(inventory, playbook, plan), fc.nat(400), fc.nat(30), anyDocument)
  .map(([text, at, length, put]) => text.slice(0, at) + put + text.slice(at + length));

test('whatever the text, reading it ends with documents or with problems that lie inside it', () => {
  let problemsSeen = 0;
  fc.assert(
    fc.property(fc.oneof(anyDocument, damaged), (text) => {
      const { problems, documentCount } = parseDocuments([{ path: 'x.yaml', text }]);
      expect(documentCount).toBeGreaterThan(0);
      problemsSeen += problems.length;
      const lineCount = text.split('\n').length;
      for (const problem of problems) {
        expect(problem.line).toBeGreaterThanOrEqual(1);
        expect(problem.line).toBeLessThanOrEqual(lineCount);
        expect(problem.column).toBeGreaterThanOrEqual(1);
        expect(problem.frame.at(-1)?.line).toBe(problem.line);
        expect(problem.message).not.toMatch(/undefined|\[object|Invalid input/);
      }
    }),
    { numRuns: 1_000 },
  );
  expect(problemsSeen).toBeGreaterThan(500);
});

test('a text without end of nesting is a problem, no crash', () => {
  for (const text of ['['.repeat(20_000), '{a: '.repeat(20_000), '- '.repeat(20_000)]) {
    expect(parseDocuments([{ path: 'x.yaml', text }]).problems.length).toBeGreaterThan(0);
  }
});
