/** The servers that the lab moves: what their containers run, and where they listen. */
import { serversImage } from './images.ts';

export interface LabContainer {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly readinessProbe: unknown;
}

const echoProgram = `
import asyncio
async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
async def main():
    await (await asyncio.start_server(serve, '0.0.0.0', 7000, backlog=512)).serve_forever()
asyncio.run(main())
`;

/** As PostgreSQL does: a process per connection, memory that all of them share; but as root, so that any root may dump it. */
const forkingProgram = `
import mmap, os, signal, socket, struct, fcntl
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
shared = mmap.mmap(-1, 4096)
os.makedirs('/tmp', exist_ok=True)
lock = os.open('/tmp/lock', os.O_CREAT | os.O_RDWR)
server = socket.create_server(('0.0.0.0', 7100), backlog=128)
while True:
    connection, _ = server.accept()
    if os.fork():
        connection.close()
        continue
    server.close()
    lock = os.open('/tmp/lock', os.O_RDWR)
    own = 0
    with connection, connection.makefile('rw') as stream:
        for line in stream:
            own += 1
            fcntl.flock(lock, fcntl.LOCK_EX)
            total = struct.unpack('q', shared[:8])[0] + 1
            shared[:8] = struct.pack('q', total)
            fcntl.flock(lock, fcntl.LOCK_UN)
            stream.write(f'{line.strip()} {own} {total}\\n')
            stream.flush()
    os._exit(0)
`;

/** Connections that are closed in one direction; whoever says `release` hears how much came after the server's own goodbye. */
const halvesProgram = `
import asyncio
total = 0
async def serve(reader, writer):
    global total
    line = await reader.readline()
    if line.startswith(b'late'):
        await reader.read()
        await released.wait()
        writer.write(line)
    elif line.startswith(b'early'):
        writer.write(b'bye\\n')
        writer.write_eof()
        rest = await reader.read()
        total += len(rest)
    else:
        released.set()
        await asyncio.sleep(0.2)
        writer.write(b'%d\\n' % total)
    writer.close()
async def main():
    global released
    released = asyncio.Event()
    await (await asyncio.start_server(serve, '0.0.0.0', 7200)).serve_forever()
asyncio.run(main())
`;

const postgres = [
  'rm -rf /tmp/data',
  'cp -a /srv/postgresql /tmp/data',
  'exec setpriv --reuid postgres --regid postgres --clear-groups /usr/lib/postgresql/17/bin/postgres -D /tmp/data -k /tmp/data',
].join(' && ');

function container(name: string, port: number, command: readonly string[]): LabContainer {
  const readinessProbe = { tcpSocket: { port }, periodSeconds: 1 };
  return { name, image: serversImage, command, readinessProbe };
}

export const ports = { redis: 6379, postgres: 5432, echo: 7000, forking: 7100, halves: 7200 } as const;

export const containers = {
  redis: container('redis', ports.redis, ['redis-server', '--save', '', '--protected-mode', 'no']),
  postgres: container('postgres', ports.postgres, ['sh', '-c', `mkdir -p /tmp && ${postgres}`]),
  echo: container('echo', ports.echo, ['python3', '-c', echoProgram]),
  forking: container('forking', ports.forking, ['python3', '-c', forkingProgram]),
  halves: container('halves', ports.halves, ['python3', '-c', halvesProgram]),
} as const;
