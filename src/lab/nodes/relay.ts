/**
 * A program of its own: runs in the network namespace of the lab's switch and leads connections of a Unix socket to one address
 * there. A socket in the file system is the one door that network namespaces do not shut.
 *
 * Usage: node relay.ts SOCKET HOST PORT. Prints a line when it listens.
 */
import { rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';

const [socket = '', host = '', port = ''] = process.argv.slice(2);
rmSync(socket, { force: true });
const server = createServer((near) => {
  const far = createConnection({ host, port: Number(port) });
  far.setNoDelay(true);
  near.pipe(far).pipe(near);
  near.on('error', () => far.destroy()).on('close', () => far.destroy());
  far.on('error', () => near.destroy()).on('close', () => near.destroy());
});
server.listen(socket, () => process.stdout.write('ready\n'));
