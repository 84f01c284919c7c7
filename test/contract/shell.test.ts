import { shellContract } from './shell.contract.ts';
import { makeSimulatedWorld } from './shell-world-simulated.ts';

shellContract('simulated server', makeSimulatedWorld, { wire: false });
