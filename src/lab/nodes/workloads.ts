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

const postgres = [
  'rm -rf /tmp/data',
  'cp -a /srv/postgresql /tmp/data',
  'exec setpriv --reuid postgres --regid postgres --clear-groups /usr/lib/postgresql/17/bin/postgres -D /tmp/data -k /tmp/data',
].join(' && ');

function container(name: string, port: number, command: readonly string[]): LabContainer {
  const readinessProbe = { tcpSocket: { port }, periodSeconds: 1 };
  return { name, image: serversImage, command, readinessProbe };
}

export const ports = { redis: 6379, postgres: 5432, echo: 7000 } as const;

export const containers = {
  redis: container('redis', ports.redis, ['redis-server', '--save', '', '--protected-mode', 'no']),
  postgres: container('postgres', ports.postgres, ['sh', '-c', `mkdir -p /tmp && ${postgres}`]),
  echo: container('echo', ports.echo, ['python3', '-c', echoProgram]),
} as const;
