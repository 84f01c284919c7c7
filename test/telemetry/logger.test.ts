import { describe, expect, test } from 'vitest';
import { MaintenanceError } from '../../src/errors/maintenance-error.ts';
import type { LogFields } from '../../src/ports/logger.ts';
import { createLogger, type LogLevel } from '../../src/telemetry/logger.ts';

function logged(fields: LogFields, text = 'something happened', secrets: readonly string[] = []) {
  const lines: string[] = [];
  const logger = createLogger({ level: 'debug', write: (line) => lines.push(line), redact: () => secrets });
  logger.warn(fields, text);
  expect(lines).toHaveLength(1);
  const line = lines[0] ?? '';
  return { line, value: JSON.parse(line) as Record<string, unknown> };
}

describe('a line of the log', () => {
  test('is one JSON object with level, time and text, and the facts as fields', () => {
    const { line, value } = logged({ run: 'run-1', attempt: 2, nested: { a: [1, null, true] } });
    expect(line.endsWith('\n')).toBe(true);
    expect(line.trimEnd()).not.toContain('\n');
    expect(value).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
      text: 'something happened',
      run: 'run-1',
      attempt: 2,
      nested: { a: [1, null, true] },
    });
  });

  test('is not written below the level, nor are secrets asked for then', () => {
    const lines: string[] = [];
    let asked = 0;
    const redact = (): string[] => {
      asked += 1;
      return [];
    };
    const logger = createLogger({ level: 'warn', write: (line) => lines.push(line), redact });
    for (const level of ['debug', 'info', 'warn', 'error'] satisfies LogLevel[]) logger[level]({}, level);
    expect(lines.map((line) => (JSON.parse(line) as { text: string }).text)).toEqual(['warn', 'error']);
    expect(asked).toBe(2);
  });

  test('keeps a field that has the name of one of its own, under another name', () => {
    expect(logged({ level: 3, text: 'mine', time: 'noon' }).value).toMatchObject({
      level: 'warn',
      text: 'something happened',
      level_: 3,
      text_: 'mine',
      time_: 'noon',
    });
  });

  test('tells an error with its code, details and causes', () => {
    const cause = new Error('connect ECONNREFUSED');
    const error = new MaintenanceError('bmc/unreachable', 'retry', 'the BMC is silent', {
      details: { port: 623 },
      cause,
    });
    expect(logged({ error }).value['error']).toMatchObject({
      type: 'MaintenanceError',
      code: 'bmc/unreachable',
      disposition: 'retry',
      message: 'the BMC is silent',
      details: { port: 623 },
      stack: expect.stringContaining('logger.test.ts') as string,
      cause: { type: 'Error', message: 'connect ECONNREFUSED' },
    });
  });

  test('survives what is circular, deep, long or no JSON', () => {
    const circular: Record<string, unknown> = { big: 12n, nothing: undefined, call: Symbol('x') };
    circular['self'] = circular;
    let deep: unknown = 'bottom';
    for (let index = 0; index < 100; index += 1) deep = { deep };
    const { value } = logged({
      circular,
      deep,
      many: Array(10_000).fill(1),
      bytes: Buffer.from('abc'),
      map: new Map([['k', 1]]),
    });
    expect(value['circular']).toMatchObject({ big: '12', self: '[circular]' });
    expect(value['many']).toHaveLength(200);
    expect(value).toMatchObject({ bytes: '[3 bytes]', map: { k: 1 } });
    expect(JSON.stringify(value['deep'])).toContain('[deep]');
  });
});

describe('no secret comes into the log', () => {
  const secret = 'Hunter2 "&é/\\';

  test('under a name that says what it is, at any depth', () => {
    const names = [
      'password',
      'bmcPassword',
      'passwd',
      'passphrase',
      'token',
      'accessToken',
      'TOKEN',
      'secret',
      'clientSecret',
      'privateKey',
      'private_key',
      'Authorization',
      'cookie',
      'set-cookie',
      'apiKey',
      'credentials',
    ];
    for (const name of names) {
      const { line } = logged({ [name]: 'unknown-value', list: [{ inner: { [name]: { value: 'unknown-value' } } }] });
      expect(line).not.toContain('unknown-value');
      expect(line).toContain(name);
    }
  });

  test('while the fencing token of a lease, being a number, stays readable', () => {
    expect(logged({ lease: { token: 7 } }).value).toMatchObject({ lease: { token: 7 } });
  });

  test('wherever in a text, a field name, a stack or a cause it stands', () => {
    const error = new Error(`login with ${secret} failed`, { cause: new Error(`argv: -P ${secret}`) });
    Object.assign(error, { command: { args: ['AUTH', secret] } });
    const { line } = logged(
      { plain: secret, [`key ${secret}`]: 1, error, url: new URL('https://x.example/?q=1'), list: [`a${secret}b`] },
      `told ${secret} twice: ${secret}`,
      [secret],
    );
    expect(line).not.toContain('Hunter2');
    expect(line).toContain('told [redacted] twice: [redacted]');
    expect(line).toContain('login with [redacted] failed');
  });

  test('in the ways in which protocols write it', () => {
    const basic = Buffer.from(secret).toString('base64');
    const url = `redis://u:${encodeURIComponent(secret)}@host`;
    const { value } = logged({ basic: `Basic ${basic}`, url, json: JSON.stringify({ p: secret }) }, 'x', [secret]);
    expect(value).toMatchObject({
      basic: 'Basic [redacted]',
      url: 'redis://u:[redacted]@host',
      json: '{"p":"[redacted]"}',
    });
  });

  test('read from a file with a line end, also without it', () => {
    expect(logged({ said: 'hunter2!' }, 'x', ['hunter2\n']).value['said']).toBe('[redacted]!');
  });

  test('when one secret is part of another, neither shows', () => {
    expect(logged({ said: 'abcdef' }, 'x', ['abc', 'abcdef']).value['said']).toBe('[redacted]');
  });

  test('but an empty or tiny one does not blot out every word', () => {
    expect(logged({ said: 'a word' }, 'x', ['', 'a', '\n']).value['said']).toBe('a word');
  });

  test('that became known after the logger was made', () => {
    const lines: string[] = [];
    const known: string[] = [];
    const logger = createLogger({ level: 'info', write: (line) => lines.push(line), redact: () => known });
    known.push('learned-later');
    logger.info({}, 'it is learned-later');
    expect(lines[0]).toContain('it is [redacted]');
  });
});

test('for a person a line starts with time, level and text, then the facts, then the stack', () => {
  const lines: string[] = [];
  const logger = createLogger({
    level: 'info',
    write: (line) => lines.push(line),
    redact: () => ['hunter2'],
    pretty: true,
  });
  logger.error({ run: 'run-1', list: [1, 2], error: new Error('it broke with hunter2') }, 'step failed');
  const [head = '', ...stack] = (lines[0] ?? '').trimEnd().split('\n');
  expect(head).toMatch(
    /^\d\d:\d\d:\d\d\.\d{3} error step failed run=run-1 list=\[1,2\] error="it broke with \[redacted\]"$/,
  );
  expect(stack.length).toBeGreaterThan(1);
  expect(stack.every((line) => line.startsWith('    '))).toBe(true);
});

describe('a secret of several lines', () => {
  const key =
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nAAAAB3NzaC1yc2EAAAADAQAB\nabc=\n-----END OPENSSH PRIVATE KEY-----\n';

  test('is taken out line by line, because what commands print is kept line by line', () => {
    const { line } = logged({ output: 'AAAAB3NzaC1yc2EAAAADAQAB' }, 'b3BlbnNzaC1rZXktdjEAAAAA read', [key]);
    expect(line).not.toContain('AAAAB3NzaC1yc2EAAAADAQAB');
    expect(line).not.toContain('b3BlbnNzaC1rZXktdjEAAAAA');
  });

  test('leaves its frame, which is in every such key', () => {
    const { line } = logged({}, 'expected -----BEGIN OPENSSH PRIVATE KEY-----', [key]);
    expect(line).toContain('-----BEGIN OPENSSH PRIVATE KEY-----');
  });
});
