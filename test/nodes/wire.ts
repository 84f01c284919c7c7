/** Listens to everything that goes over the cables of one server, and counts how often a text comes by in clear. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { inside } from '../../src/lab/nodes/namespaces.ts';
import type { LabServer } from '../../src/lab/nodes/server.ts';

export interface Heard {
  readonly bytes: number;
  readonly hits: number;
}

export interface WireReport {
  /** By interface. */
  readonly heard: Readonly<Record<string, Heard>>;
  /** Packets that came faster than they could be looked at. */
  readonly missed: number;
}

/** Answers each line of its input with what it has heard so far. */
const program = `
import json, select, socket, struct, sys
needle = sys.argv[1].encode()
SOL_PACKET, PACKET_STATISTICS = 263, 6
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
# Past the machine's limit, as root may.
packets.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)
packets.setblocking(False)
heard, missed = {}, 0
print('listening', flush=True)
while True:
    ready, _, _ = select.select([packets, sys.stdin], [], [])
    if packets in ready:
        for _ in range(500):
            try:
                data, (interface, *_) = packets.recvfrom(1 << 17)
            except BlockingIOError:
                break
            at = heard.setdefault(interface, {'bytes': 0, 'hits': 0})
            at['bytes'] += len(data)
            at['hits'] += data.count(needle)
    elif not sys.stdin.readline():
        break
    else:
        missed += struct.unpack('II', packets.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1]
        print(json.dumps({'heard': heard, 'missed': missed}), flush=True)
`;

export class Wire {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#lines = lines;
  }

  static async listen(server: LabServer, text: string): Promise<Wire> {
    const [command, args] = inside(server.first, ['python3', '-c', program, text]);
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    if (!child.stdout) throw new Error('the listener has no output');
    const wire = new Wire(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
    await wire.#line();
    return wire;
  }

  /** Once everything is looked at that has come so far. */
  async report(): Promise<WireReport> {
    this.#child.stdin?.write('report\n');
    return JSON.parse(await this.#line()) as WireReport;
  }

  stop(): void {
    this.#child.stdin?.end();
  }

  async #line(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the listener ended');
    return line.value;
  }
}
