/**
 * Stands between `ipmitool` and one `ipmi_sim`, so that the BMC can be silent, busy or refusing while it runs.
 *
 * It passes packets on unread, but for the opening of a session, which is not encrypted: there it answers in the BMC's
 * place with the status codes that a real BMC gives (IPMI 2.0, tables 13-9 to 13-15). It never touches a session that is
 * open.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';

export interface RelayRules {
  isSilent(): boolean;
  /** Asked once per session; `true` uses one refusal up. */
  takeBusy(): boolean;
  refusesPassword(): boolean;
  /** A session is about to open: the last moment to bring the BMC up to date. */
  onSession(): void;
}

const payload = { openRequest: 0x10, openResponse: 0x11, rakp1: 0x12, rakp2: 0x13 } as const;
const status = { insufficientResources: 0x01, unauthorizedName: 0x0d } as const;
const rmcpPlus = 0x06;
const headerBytes = 16;
/** After which a client that went away without a word is forgotten. */
const clientIdleMs = 60_000;

interface Client {
  readonly socket: Socket;
  idle: NodeJS.Timeout;
}

export class BmcRelay {
  readonly #front: Socket = createSocket('udp4');
  readonly #clients = new Map<string, Client>();
  readonly #upstreamPort: number;
  readonly #rules: RelayRules;

  private constructor(upstreamPort: number, rules: RelayRules) {
    this.#upstreamPort = upstreamPort;
    this.#rules = rules;
  }

  static async start(upstreamPort: number, rules: RelayRules): Promise<BmcRelay> {
    const relay = new BmcRelay(upstreamPort, rules);
    relay.#front.on('message', (packet, from) => relay.#receive(packet, from));
    relay.#front.bind(0, '127.0.0.1');
    await once(relay.#front, 'listening');
    // UDP reports an unreachable port as an error on some later call; the client simply gets no answer.
    relay.#front.on('error', () => undefined);
    return relay;
  }

  get port(): number {
    return this.#front.address().port;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients.values()) forget(client);
    this.#clients.clear();
    const closed = once(this.#front, 'close');
    this.#front.close();
    await closed;
  }

  #receive(packet: Buffer, from: RemoteInfo): void {
    if (this.#rules.isSilent()) return;
    const refusal = this.#refusalFor(packet);
    if (refusal) this.#front.send(refusal, from.port, from.address);
    else this.#clientOf(from).socket.send(packet, this.#upstreamPort, '127.0.0.1');
  }

  #refusalFor(packet: Buffer): Buffer | undefined {
    if (packet.length < headerBytes + 8 || packet[4] !== rmcpPlus) return undefined;
    if (packet[5] === payload.openRequest) {
      // The console chose a session id; an answer is only believed with it.
      const consoleId = packet.subarray(headerBytes + 4, headerBytes + 8);
      if (this.#rules.takeBusy()) {
        return refuse(payload.openResponse, packet[headerBytes], status.insufficientResources, consoleId);
      }
      this.#rules.onSession();
    }
    if (packet[5] === payload.rakp1 && this.#rules.refusesPassword()) {
      return refuse(payload.rakp2, packet[headerBytes], status.unauthorizedName, ipmitoolConsoleId);
    }
    return undefined;
  }

  #clientOf(from: RemoteInfo): Client {
    const key = `${from.address}:${from.port}`;
    const known = this.#clients.get(key);
    if (known) {
      known.idle.refresh();
      return known;
    }
    const socket = createSocket('udp4');
    socket.on('message', (answer) => {
      if (!this.#rules.isSilent()) this.#front.send(answer, from.port, from.address);
    });
    socket.on('error', () => undefined);
    const idle = setTimeout(() => {
      this.#clients.delete(key);
      socket.close();
    }, clientIdleMs).unref();
    const client = { socket, idle };
    this.#clients.set(key, client);
    return client;
  }
}

/** RAKP 1 names only the BMC's session id; `ipmitool` always calls its own this, and does not compare it in RAKP 2. */
const ipmitoolConsoleId = Buffer.from([0xa4, 0xa3, 0xa2, 0xa0]);

function refuse(type: number, tag: number | undefined, code: number, consoleId: Uint8Array): Buffer {
  const body = Buffer.from([tag ?? 0, code, 0x00, 0x00, ...consoleId]);
  const header = Buffer.from([0x06, 0x00, 0xff, 0x07, rmcpPlus, type, 0, 0, 0, 0, 0, 0, 0, 0, body.length, 0]);
  return Buffer.concat([header, body]);
}

function forget(client: Client): void {
  clearTimeout(client.idle);
  client.socket.close();
}
