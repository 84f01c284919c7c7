/** A program of its own: starts a node lab and says so, then stays until it is killed. */
import { TestLab } from './harness.ts';

const { lab } = await TestLab.start();
console.log(JSON.stringify({ folder: lab.folder, residents: [...lab.servers.values()].map(({ first }) => first) }));
