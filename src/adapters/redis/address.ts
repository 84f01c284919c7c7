/** Reads the address of a Redis as people write it. It never repeats the password, not even in an error. */
import { MaintenanceError } from '../../errors/maintenance-error.ts';
import type { RedisAddress } from '../../ports/redis-address.ts';

/**
 * `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, `unix:///path/to/socket`.
 *
 * @throws `document/invalid` (halt)
 */
export function parseRedisUrl(text: string, password?: string): RedisAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['redis:', 'rediss:', 'unix:'].includes(url.protocol)) {
    throw new MaintenanceError('document/invalid', 'halt', 'a Redis address looks like redis://host:6379/0');
  }
  const database = url.protocol === 'unix:' ? '' : url.pathname.slice(1);
  if (!/^\d*$/.test(database)) {
    throw new MaintenanceError('document/invalid', 'halt', 'the database in a Redis address is a number');
  }
  return {
    at:
      url.protocol === 'unix:'
        ? { kind: 'socket', path: decodeURIComponent(url.pathname) }
        : {
            kind: 'tcp',
            host: url.hostname.replaceAll(/^\[|\]$/g, '') || '127.0.0.1',
            port: Number(url.port || 6379),
            tls: url.protocol === 'rediss:',
          },
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: password ?? (url.password === '' ? undefined : decodeURIComponent(url.password)),
    database: Number(database),
  };
}
