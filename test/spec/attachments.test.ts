import { expect, test } from 'vitest';
import { attachedFiles } from '../../src/spec/attachments.ts';
import type { Attachments } from '../../src/spec/attachments.ts';
import { parseDocuments } from '../../src/spec/parse.ts';
import { fillIn, fillSsh } from '../../src/spec/parameters.ts';
import { describeProblem } from '../../src/spec/problem.ts';

const path = 'books/update.yaml';
const text = `apiVersion: pitcrew.dev/v1
kind: Playbook
metadata: { name: update }
spec:
  parameters: { package: { type: string, default: p } }
  prepare: [ { ssh: { copy: { from: ./files/a.conf, to: /etc/a.conf } } } ]
  service: [ { ssh: { script: install.sh, timeout: 3m } } ]
`;
const script = '#!/bin/sh\nset -eu\necho "$package ${HOME:-none}"\n';
const attachments: Attachments = new Map([
  ['books/files/a.conf', { text: 'home = ${HOME}\n' }],
  ['books/install.sh', { text: script }],
]);

test('the files of a playbook are named beside it, with the folder that they must not leave', () => {
  expect(attachedFiles([{ path, text }])).toEqual([
    { path: 'books/files/a.conf', folder: 'books/' },
    { path: 'books/install.sh', folder: 'books/' },
  ]);
  expect(attachedFiles([{ path: 'update.yaml', text }])).toEqual([
    { path: 'files/a.conf', folder: './' },
    { path: 'install.sh', folder: './' },
  ]);
});

test('a path out of the folder is not even named', () => {
  for (const out of ['../x', '/etc/shadow', 'a/../../x', '..']) {
    const named = attachedFiles([{ path, text: text.replace('install.sh', out) }]);
    expect(named.map((file) => file.path)).toEqual(['books/files/a.conf']);
  }
});

test('a script keeps its own words and finds the parameters as variables; a file arrives as it is', () => {
  const { playbooks, problems } = parseDocuments([{ path, text }], attachments);
  expect(problems).toEqual([]);
  const [action] = playbooks[0]?.spec.service ?? [];
  if (action === undefined || !('ssh' in action) || !('run' in action.ssh)) throw new Error('no script');
  expect(action.ssh.timeoutMs).toBe(180_000);
  expect(fillIn(action.ssh.run, { package: 'it is' })).toBe(`package='it is'\n${script}`);
  const [copy] = playbooks[0]?.spec.prepare ?? [];
  if (copy === undefined) throw new Error('no copy');
  expect(fillSsh(copy, {})).toEqual({ ssh: { copy: { content: 'home = ${HOME}\n', to: '/etc/a.conf' } } });
});

test('a file that is not there is a problem at its name', () => {
  const missing: Attachments = new Map([...attachments, ['books/install.sh', { failure: 'there is no such file' }]]);
  const { problems, playbooks } = parseDocuments([{ path, text }], missing);
  expect(problems.map(describeProblem)).toEqual([
    'books/update.yaml:7:31  cannot read books/install.sh: there is no such file',
  ]);
  expect(playbooks).toEqual([]);
});

test.each([
  ['#!/bin/bash\n', 'books/install.sh is written for /bin/bash, but scripts are run by /bin/sh'],
  ['#!/usr/bin/env python3\n', 'books/install.sh is written for python3, but scripts are run by /bin/sh'],
  [' \n', 'books/install.sh is empty'],
])('a script that /bin/sh cannot run is refused: %j', (content, message) => {
  const { problems } = parseDocuments(
    [{ path, text }],
    new Map([...attachments, ['books/install.sh', { text: content }]]),
  );
  expect(problems.map((problem) => problem.message)).toEqual([message]);
});

test.each(['#!/bin/sh -eu\necho', '#!/usr/bin/env sh\necho', '#!/usr/bin/dash\necho', 'echo'])(
  '%j is for sh',
  (content) => {
    const { problems } = parseDocuments(
      [{ path, text }],
      new Map([...attachments, ['books/install.sh', { text: content }]]),
    );
    expect(problems).toEqual([]);
  },
);
