/** Stands between a client and Redis, and cuts the wire at the worst moment. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { RedisAddress } from '../../../src/ports/redis-address.ts';

export interface CuttingProxy {
  readonly address: RedisAddress;
  /** Requests that contained the text the answers of which were cut off. */
  readonly cuts: number;
  /** The next so many requests that contain the text reach Redis, but the wire is cut before their answer. */
  cutAnswersOf(text: string, times: number): void;
  /** Takes no connections and drops those there are; or takes them again. */
  setAway(isAway: boolean): void;
  /** Forwards nothing any more, in neither direction, and keeps the connections open. */
  setSilent(isSilent: boolean): void;
  close(): Promise<void>;
}

export async function startCuttingProxy(target: RedisAddress): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  const state = { text: '', left: 0, cuts: 0, isAway: false, isSilent: false };
  const server: Server = createServer((client) => {
    const upstream = target.at.kind === 'socket' ? connect(target.at.path) : connect(target.at.port, target.at.host);
    const both = [client, upstream] as const;
    const drop = (): void => both.forEach((socket) => socket.destroy());
    for (const socket of both) {
      sockets.add(socket);
      socket.on('error', drop);
      socket.on('close', () => {
        sockets.delete(socket);
        drop();
      });
    }
    if (state.isAway) drop();
    let isCut = false;
    client.on('data', (data) => {
      if (state.isSilent) return;
      if (state.left > 0 && data.includes(state.text)) {
        state.left -= 1;
        state.cuts += 1;
        isCut = true;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      if (state.isSilent) return;
      // Redis has answered, so it has carried it out.
      if (isCut) drop();
      else client.write(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = server.address();
  const port = typeof at === 'object' && at !== null ? at.port : 0;
  return {
    address: { ...target, at: { kind: 'tcp', host: '127.0.0.1', port, tls: false } },
    get cuts() {
      return state.cuts;
    },
    cutAnswersOf: (text, times) => Object.assign(state, { text, left: times }),
    setAway: (isAway) => {
      state.isAway = isAway;
      if (isAway) for (const socket of sockets) socket.destroy();
    },
    setSilent: (isSilent) => {
      state.isSilent = isSilent;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
