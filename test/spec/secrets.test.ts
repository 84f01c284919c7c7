import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderProblems } from '../../src/cli/render-problems.ts';
import { inventory, parseTexts, playbook } from './documents.ts';
import type { Texts } from './documents.ts';

const secret = 'hunter2';

function everythingSaid(texts: Texts): string {
  const { problems, documentCount } = parseTexts(texts);
  expect(problems.length).toBeGreaterThan(0);
  return JSON.stringify(problems) + renderProblems(problems, { color: false, documentCount });
}

test('a literal password is refused at its place, and covered in message, text and frame', () => {
  const literal = inventory.replace('{ file: /etc/bmc }', secret);
  const { problems } = parseTexts({ inventory: literal });
  expect(problems).toEqual([
    {
      severity: 'error',
      path: 'inventory.yaml',
      line: 7,
      column: 35,
      length: 3,
      text: '***',
      message: '"password" is written out; a secret never stands in a document',
      hint: 'put it into a file or the environment and write { file: /path } or { env: NAME }',
      frame: [
        { line: 6, text: '    ssh: { user: root, privateKey: { file: /etc/key } }' },
        { line: 7, text: '    bmc: { user: admin, password: *** }', mark: { column: 35, length: 3 } },
      ],
    },
  ]);
});

test('a frame of another problem does not show the secret beside it, and its carets stay in place', () => {
  const literal = inventory.replace('password: { file: /etc/bmc }', `password: ${secret}, prt: 1`);
  const problem = parseTexts({ inventory: literal }).problems.find(({ text }) => text === 'prt');
  expect(problem).toMatchObject({ column: 44, message: 'unknown key "prt"', hint: 'did you mean "port"?' });
  expect(problem?.frame.at(-1)).toEqual({
    line: 7,
    text: '    bmc: { user: admin, password: ***, prt: 1 }',
    mark: { column: 40, length: 3 },
  });
});

test('references are no secrets and stay readable', () => {
  const wrong = inventory.replace('user: admin', 'usr: admin');
  expect(parseTexts({ inventory: wrong }).problems[0]?.frame.at(-1)?.text).toContain('{ file: /etc/bmc }');
});

const pem = `-----BEGIN OPENSSH PRIVATE KEY-----\n        ${secret}\n        -----END OPENSSH PRIVATE KEY-----`;

/** Each takes the place of the reference to the BMC's password in the inventory. */
describe('however it is written, the secret is never shown', () => {
  test.each([
    secret,
    `"${secret}"`,
    `'${secret}'`,
    `{ file: ${secret} }`,
    `{ env: ${secret} }`,
    `{ value: ${secret} }`,
    `{ ${secret} }`,
    `{ ${secret}: }`,
    `[ ${secret} ]`,
    `!!str ${secret}`,
    `&pw ${secret}`,
    `*${secret}`,
    `@${secret}`,
    `"${secret}`,
    `"\\q${secret}"`,
    `a: ${secret}`,
    `!${secret} x`,
    `"${secret}\n        more"`,
  ])('password: %j', (written) => {
    const said = everythingSaid({ inventory: inventory.replace('{ file: /etc/bmc }', written) });
    expect(said).not.toContain(secret);
  });

  test.each([
    `password ${secret}`,
    `password=${secret}`,
    `password:${secret}`,
    `bmcPassword: ${secret}`,
    `credentials: { a: ${secret} }`,
  ])('with a mistake before it: %j', (written) => {
    const said = everythingSaid({ inventory: inventory.replace('password: { file: /etc/bmc }', written) });
    expect(said).not.toContain(secret);
  });

  test('in place of a map', () => {
    const text = inventory.replace(/bmc: \{ user.*\}/, `bmc:\n      password=${secret}`);
    expect(everythingSaid({ inventory: text })).not.toContain(secret);
  });

  test('as a block over several lines', () => {
    const text = inventory.replace(
      /ssh: \{.*\}/,
      `ssh:\n      user: root\n      privateKey: |\n        ${pem}\n      prt: 3`,
    );
    const said = everythingSaid({ inventory: text });
    expect(said).not.toContain(secret);
    expect(said).toContain('\\"privateKey\\" is written out');
    expect(said).toContain('unknown key \\"prt\\"');
  });

  test('as an alias of something further up', () => {
    const text = inventory
      .replace('metadata: { name: fra1 }', `metadata: { name: fra1, desciption: &x ${secret} }`)
      .replace('{ file: /etc/bmc }', '*x');
    expect(everythingSaid({ inventory: text })).not.toContain(secret);
  });

  test('in a script beside a mistake', () => {
    const text = `${playbook}    - ssh:\n        run: |\n          export TOKEN=${secret}\n          echo \${nothing}\n`;
    const said = everythingSaid({ playbook: text });
    expect(said).not.toContain(secret);
    expect(said).toContain('nothing');
  });

  test('a private key in a file to be copied is refused', () => {
    const text = `${playbook}    - ssh:\n        copy:\n          to: /root/key\n          content: |\n            -----BEGIN PRIVATE KEY-----\n            ${secret}\n`;
    const said = everythingSaid({ playbook: text });
    expect(said).toContain('a private key stands here');
    expect(said).not.toContain(secret);
  });
});

test('a parameter is no place for a secret', () => {
  const text = `${playbook}  parameters: { adminPassword: { type: string, default: ${secret} } }\n`;
  const said = everythingSaid({ playbook: text });
  expect(said).toContain('looks like a secret');
  expect(said).not.toContain(secret);
});

test('no cut through a file, wherever, brings a secret to light', () => {
  const text = inventory.replace('{ file: /etc/bmc }', `"${secret}"`);
  fc.assert(
    fc.property(fc.nat(text.length), fc.constantFrom('', '}', '"', '\t', ': ', '\n- ', '&', '*', '!'), (at, put) => {
      const start = text.indexOf(secret);
      // A cut through the word itself leaves something else than the secret.
      fc.pre(at <= start - 12 || at >= start + secret.length);
      const { problems } = parseTexts({ inventory: text.slice(0, at) + put + text.slice(at) });
      expect(problems.length).toBeGreaterThan(0);
      expect(JSON.stringify(problems)).not.toContain(secret);
    }),
    { numRuns: 300 },
  );
});
