import { shellContract } from './shell.contract.ts';
import { makeLabWorld } from './shell-world-lab.ts';

shellContract('server of the lab', makeLabWorld);
