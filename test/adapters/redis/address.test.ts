import { expect, test } from 'vitest';
import { parseRedisUrl } from '../../../src/adapters/redis/address.ts';
import { MaintenanceError } from '../../../src/errors/maintenance-error.ts';

const tcp = (host: string, port: number, tls = false) => ({ kind: 'tcp', host, port, tls });

test('the address of a Redis is read as people write it', () => {
  const cases: [string, object][] = [
    ['redis://localhost', { at: tcp('localhost', 6379), database: 0 }],
    ['redis://10.0.0.1:6380/2', { at: tcp('10.0.0.1', 6380), database: 2 }],
    ['rediss://r.example/1', { at: tcp('r.example', 6379, true), database: 1 }],
    ['redis://[::1]:7000', { at: tcp('::1', 7000), database: 0 }],
    ['redis://anna:p%40ss@h', { at: tcp('h', 6379), username: 'anna', password: 'p@ss', database: 0 }],
    ['redis://:only@h', { at: tcp('h', 6379), password: 'only', database: 0 }],
    ['unix:///run/my%20redis.sock', { at: { kind: 'socket', path: '/run/my redis.sock' }, database: 0 }],
  ];
  for (const [text, expected] of cases) expect(parseRedisUrl(text)).toEqual(expected);
});

test('a password from elsewhere counts more than the one in the address', () => {
  expect(parseRedisUrl('redis://:old@h', 'new').password).toBe('new');
});

test('what is no address is refused without repeating the password in it', () => {
  for (const text of ['http://u:hunter2@h', 'redis//hunter2', 'redis://:hunter2@h/zero', '']) {
    const refused = (): unknown => parseRedisUrl(text);
    expect(refused).toThrow(MaintenanceError);
    expect(refused).not.toThrow(/hunter2/);
    expect(refused).toThrow(/Redis address/);
  }
});
