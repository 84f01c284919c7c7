import { expect, test } from 'vitest';
import { renderProblems } from '../../src/cli/render-problems.ts';
import { parseDocuments } from '../../src/spec/parse.ts';
import { inventory, plan, playbook } from '../spec/documents.ts';

const style = { color: false, documentCount: 3 };

function problemsOf(text: string) {
  return parseDocuments([
    { path: 'inventory/fra1.yaml', text: inventory },
    { path: 'playbooks/reboot-only.yaml', text: playbook },
    { path: 'plans/weekly.yaml', text },
  ]).problems;
}

test('a problem shows its place, what is wrong, the line before, the line and the carets', () => {
  const problems = problemsOf(`${plan}  rollout:\n    maxUnavailible: 10%\n`);
  expect(renderProblems(problems, style))
    .toBe(`plans/weekly.yaml:8:5  unknown key "maxUnavailible", did you mean "maxUnavailable"?
    7 |   rollout:
    8 |     maxUnavailible: 10%
      |     ^^^^^^^^^^^^^^
1 error in 1 of 3 documents
`);
});

test('a hint that is no question stands below, a warning says so, and both are counted', () => {
  const problems = problemsOf(
    `${plan}  gates: {}\n---\n${plan.replace('weekly', 'b')}  rollout: { maxUnavailable: 0 }\n`,
  );
  expect(renderProblems(problems, { color: false, documentCount: 4 }))
    .toBe(`plans/weekly.yaml:7:3  this version does not act on "gates" yet
    6 |   targets: { matchLabels: { role: worker } }
    7 |   gates: {}
      |   ^^^^^
      take it out; checks after each server stand in the playbook under "verify"
plans/weekly.yaml:15:30  warning: "maxUnavailable" is 0, so no server ever starts
   14 |   targets: { matchLabels: { role: worker } }
   15 |   rollout: { maxUnavailable: 0 }
      |                              ^
      write 1 or more unless that is meant
1 error and 1 warning in 1 of 4 documents
`);
});

test('no problem is one line', () => {
  expect(renderProblems([], style)).toBe('3 documents, no problem\n');
});

test('colour adds nothing but colour', () => {
  const problems = problemsOf(`${plan}  zebra: {}\n`);
  const colored = renderProblems(problems, { ...style, color: true });
  expect(colored).toContain('\u001B[31m^^^^^\u001B[0m');
  // oxlint-disable-next-line no-control-regex
  expect(colored.replaceAll(/\u001B\[\d+m/g, '')).toBe(renderProblems(problems, style));
});

test('what a document holds cannot steer the terminal', () => {
  const problems = problemsOf(`${plan}  "ze\\eb[2Jra": {}\n  other: \u001B[2J\n`);
  expect(problems.length).toBeGreaterThan(0);
  expect(renderProblems(problems, style)).not.toContain('\u001B');
});
