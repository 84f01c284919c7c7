import { shellContract } from './shell.contract.ts';
import { makeSshdWorld } from './shell-world-sshd.ts';

shellContract('OpenSSH server', makeSshdWorld);
