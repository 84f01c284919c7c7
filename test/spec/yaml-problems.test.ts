import { describe, expect, test } from 'vitest';
import { parseDocuments } from '../../src/spec/parse.ts';
import { describeProblem } from '../../src/spec/problem.ts';
import { inventory, plan, playbook, problemsIn } from './documents.ts';

function problemsOf(text: string): string[] {
  return parseDocuments([{ path: 'x.yaml', text }]).problems.map(describeProblem);
}

describe('what is no YAML says why, with its place', () => {
  const lines: [text: string, problem: string][] = [
    ['a: { b: 1', '1:10  a closing } is missing'],
    ['a: "b', '1:6  a closing " is missing'],
    ['a: b: c', '1:4  two "key: value" stand on one line; put text that holds ": " in quotes'],
    ['a:\n\t- b', '2:1  a tab stands in the indentation; use spaces'],
    ['a: @b', '1:4  plain text cannot begin with this character; put the text in quotes'],
    ['a: !foo b', '1:4  the tag (!…) here is unknown or does not fit the value; put text that begins with ! in quotes'],
    [
      'a: "\\q"',
      '1:5  a backslash in double quotes begins an escape, and this one is unknown; use single quotes, or write \\\\',
    ],
  ];
  test.each(lines)('%j', (text, problem) => {
    expect(problemsOf(text)[0]).toBe(`x.yaml:${problem}`);
  });
});

test('a key that stands twice is an error at the second one, and the rest is judged all the same', () => {
  const twice = `${plan}  playbook: reboot-only\n  zebra: 1\n`;
  expect(problemsIn({ plan: twice })).toEqual([
    'plan.yaml:7:3  key "playbook" stands here twice; keep one of them',
    'plan.yaml:8:3  unknown key "zebra"; known here: playbook, parameters, targets, schedule, rollout, evacuation, rebalance',
  ]);
});

test('several documents in one file keep their lines', () => {
  const text = `${inventory}---\n${playbook}---\n# nothing here\n---\n${plan}  zebra: 1\n`;
  const { problems, documentCount, servers } = parseDocuments([{ path: 'x.yaml', text }]);
  expect(problems.map(({ line, column, text: offending }) => [line, column, offending])).toEqual([[27, 3, 'zebra']]);
  expect(text.split('\n')[26]).toBe('  zebra: 1');
  expect(documentCount).toBe(3);
  expect(servers).toHaveLength(2);
});

test('Windows line ends and a byte order mark change no position', () => {
  const text = `\uFEFF${`${playbook}    - rebooot: {}\n`.replaceAll('\n', '\r\n')}`;
  const { problems } = parseDocuments([{ path: 'x.yaml', text }]);
  expect(problems[0]).toMatchObject({ line: 7, column: 7, length: 7, text: 'rebooot' });
  expect(problems[0]?.frame).toEqual([
    { line: 6, text: '    - reboot: {}' },
    { line: 7, text: '    - rebooot: {}', mark: { column: 7, length: 7 } },
  ]);
});

test('a broken file hides what it may hold: nobody is told that a playbook is missing', () => {
  expect(problemsIn({ playbook: 'kind: "Playbook' })).toEqual(['playbook.yaml:1:16  a closing " is missing']);
});

test('aliases are followed, and those without end are refused', () => {
  const shared = playbook.replace('reboot: {}', 'reboot: &r { timeout: 5m }') + '    - reboot: *r\n';
  expect(problemsIn({ playbook: shared })).toEqual([]);
  const rows = Array.from({ length: 9 }, (_, row) => {
    const below = row === 0 ? '1' : `*a${row - 1}`;
    return `a${row}: &a${row} [ ${Array(9).fill(below).join(', ')} ]`;
  });
  expect(problemsOf(rows.join('\n'))).toEqual([
    'x.yaml:1:1  this file is nested too deeply, or its aliases unfold without end; write it out plainly',
  ]);
});

test('merging with << is refused by name', () => {
  const merged = playbook.replace('reboot: {}', 'reboot: { <<: { timeout: 5m } }');
  expect(problemsIn({ playbook: merged })).toEqual([
    'playbook.yaml:6:17  merging maps with "<<" is not supported; write the keys out, or put them into "defaults"',
  ]);
});
