/** What both ends of the API have to agree on besides the routes: header names, and which hosts are this machine. */
import { isIPv4 } from 'node:net';

/** On every answer: tells a client that it talks to Pitcrew, and in which version of the API. */
export const versionHeader = 'x-pitcrew-api';
/** On a request: who asks, as they say themselves. */
export const byHeader = 'x-pitcrew-by';

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'));
}
