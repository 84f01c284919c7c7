/** Starts a lab, says its process ids, and waits to be killed. */
import { SystemClock } from '../../../src/adapters/system/system-clock.ts';
import { startLabBmcs } from '../../../src/lab/bmc/lab-bmcs.ts';
import { Machine } from '../../../src/simulator/machine.ts';
import { SeededRandom } from '../../../src/simulator/seeded-random.ts';

const common = { kernel: 'a', updatedKernel: 'b', bootMs: 50, shutdownMs: 50, faults: { bmcSilent: true } };
const clock = new SystemClock();
const machines = ['x', 'y', 'z'].map((name) => new Machine({ name, ...common }, clock, new SeededRandom(3)));
const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: orphan.ts FOLDER');
const lab = await startLabBmcs(machines, { folder, user: 'pitcrew', password: 'lab-password' });
process.stdout.write(`${JSON.stringify([...lab.endpoints.values()].map(({ processId }) => processId))}\n`);
