/**
 * How one `ipmitool` is started: its argument list and its environment. Pure.
 *
 * The password travels in the environment of that one process, under `IPMITOOL_PASSWORD`, which wins over
 * `IPMI_PASSWORD`, so nothing inherited can replace it. Not in argv, which every user of the machine can read. Not in a
 * file (`-f`): `ipmitool` logs that it cannot read one and goes on with no password, and a crash would leave it behind.
 * `/proc/PID/environ` is open only to our own user, who can read the secret anyway.
 */
import { MaintenanceError } from '../../errors/maintenance-error.ts';

export interface BmcTarget {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  readonly cipherSuite: number;
  readonly privilege: 'operator' | 'administrator';
}

export interface Timing {
  /** First wait for an answer (`-N`); each repetition waits a second longer. */
  readonly answerSeconds: number;
  /** How often a packet is sent (`-R`). */
  readonly tries: number;
}

/** Limits of IPMI 2.0. `ipmitool` refuses longer ones only after it has started. */
const passwordMaxBytes = 20;
const userMaxBytes = 16;

export function argumentsFor(
  target: BmcTarget,
  timing: Timing,
  words: readonly string[],
  options: { readonly verbose?: boolean; readonly readOnly?: boolean } = {},
): string[] {
  const session = ['-I', 'lanplus', '-H', target.address, '-p', String(target.port), '-U', target.user, '-E'];
  // Listing the SEL or sensors of a BMC whose sensor repository is still empty makes ipmitool 1.8.19 erase and rebuild
  // that repository. As a mere USER it has no right to.
  const level = options.readOnly === true ? 'USER' : target.privilege.toUpperCase();
  const rights = ['-C', String(target.cipherSuite), '-L', level];
  const patience = ['-N', String(timing.answerSeconds), '-R', String(timing.tries)];
  // `-Z`: UTC, so that what the BMC says does not depend on where we run. `-v`: only then does it say why there is no
  // session, a wrong password or nobody there.
  const talk = options.verbose === true ? ['-Z', '-v'] : ['-Z'];
  return [...session, ...rights, ...patience, ...talk, ...words];
}

/** The whole environment of the process; nothing else is inherited. `home`: see `vendor-list.ts`. */
export function environmentFor(password: string, path: string | undefined, home?: string): Record<string, string> {
  const environment = { PATH: path ?? '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', IPMITOOL_PASSWORD: password };
  return home === undefined ? environment : { ...environment, HOME: home };
}

/** Checked before anything is started: with an empty password `ipmitool` would go on without one. */
export function checkCredentials(target: BmcTarget, password: string): void {
  const details = { address: target.address, port: target.port };
  if (password === '') {
    throw new MaintenanceError('secret/unreadable', 'halt', 'the BMC password is empty', { details });
  }
  if (Buffer.byteLength(password) > passwordMaxBytes) {
    const message = `the BMC password is longer than the ${passwordMaxBytes} bytes that IPMI 2.0 allows`;
    throw new MaintenanceError('bmc/password', 'halt', message, { details });
  }
  if (password.includes('\0') || password.includes('\n')) {
    const message = 'the BMC password holds a line break or a NUL; is it the right file?';
    throw new MaintenanceError('bmc/password', 'halt', message, { details });
  }
  if (Buffer.byteLength(target.user) > userMaxBytes) {
    const message = `the BMC user name is longer than the ${userMaxBytes} bytes that IPMI allows`;
    throw new MaintenanceError('bmc/password', 'halt', message, { details });
  }
}
