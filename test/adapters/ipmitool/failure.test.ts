/** What ipmitool 1.8.19 says when it fails, and what that means. */
import { describe, expect, test } from 'vitest';
import { failureOf, isBrokenListing } from '../../../src/adapters/ipmitool/failure.ts';

const target = { address: '10.9.1.11', port: 623, user: 'admin', cipherSuite: 17, privilege: 'operator' } as const;
const outcome = (stderr: string, stdout = '') => ({ exitCode: 1, stdout, stderr, timedOut: false });
const noSession = 'Error: Unable to establish IPMI v2 / RMCP+ session';

describe('a failed command', () => {
  test.for([
    // Captured against ipmi_sim and the relay in front of it.
    [`> RAKP 2 HMAC is invalid\n${noSession}`, 'bmc/password', 'halt'],
    [`RAKP 2 message indicates an error : unauthorized name\n${noSession}`, 'bmc/password', 'halt'],
    [
      `Error in open session response message : insufficient resources for session\n\n${noSession}`,
      'bmc/busy',
      'retry',
    ],
    [
      `Error in open session response message : invalid authentication algorithm\n\n${noSession}`,
      'bmc/cipher-suite',
      'halt',
    ],
    [
      `Get Auth Capabilities error\nError issuing Get Channel Authentication Capabilities request\n${noSession}`,
      'bmc/unreachable',
      'retry',
    ],
    [`Address lookup for nosuch.invalid failed\nCould not open socket!\n${noSession}`, 'bmc/unreachable', 'retry'],
    [noSession, 'bmc/unreachable', 'retry'],
    // From its sources and from OpenStack Ironic's list of what is worth another try.
    ['Get Chassis Power Status failed: Node busy', 'bmc/busy', 'retry'],
    ['Set Chassis Power Control to Up/On failed: BMC initialization in progress', 'bmc/busy', 'retry'],
    ['Set Chassis Power Control to Up/On failed: Timeout', 'bmc/busy', 'retry'],
    ['Set Chassis Power Control to Up/On failed: Out of space', 'bmc/busy', 'retry'],
    [
      `RAKP 2 message indicates an error : unauthorized role or privilege level requested\n${noSession}`,
      'bmc/forbidden',
      'halt',
    ],
    [`Set Session Privilege Level to ADMINISTRATOR failed: Unknown (0x81)\n${noSession}`, 'bmc/forbidden', 'halt'],
    ['Set Chassis Power Control to Up/On failed: Insufficient privilege level', 'bmc/forbidden', 'halt'],
    [`Set Session Privilege Level to ADMINISTRATOR failed\n${noSession}`, 'bmc/unreachable', 'retry'],
    [`> Error: no response from RAKP 1 message\n${noSession}`, 'bmc/unreachable', 'retry'],
    [`This BMC does not support IPMI v2 / RMCP+\n${noSession}`, 'bmc/cipher-suite', 'halt'],
    ['Set Chassis Power Control to Down/Off failed: Command not supported in present state', 'bmc/bad-answer', 'retry'],
    ['', 'bmc/bad-answer', 'retry'],
  ] as const)('%j is %s, %s', ([stderr, code, disposition]) => {
    const failure = failureOf(outcome(stderr), target, 'chassis power status');
    expect(failure).toMatchObject({ code, disposition });
    expect(failure.message).toContain('10.9.1.11:623');
  });

  test('a BMC that was killed off by time is unreachable, whatever it said before', () => {
    const failure = failureOf({ ...outcome('RAKP 2 HMAC is invalid'), timedOut: true }, target, 'sel elist');
    expect(failure).toMatchObject({ code: 'bmc/unreachable', disposition: 'retry' });
  });

  test('the talk of verbose is left out of the details', () => {
    const stderr = `Loading IANA PEN Registry...\nDiscovered IPMB address 0x0\n${noSession}`;
    expect(failureOf(outcome(stderr), target, 'x').details['answer']).toBe(noSession);
  });

  test('a busy BMC says how long to leave it alone', () => {
    expect(failureOf(outcome('Node busy'), target, 'x').retryAfterMs).toBeGreaterThan(0);
  });
});

describe('a listing that ends with exit code 0', () => {
  test.for([
    ['Get SEL Entry 4 command failed\n', '', true],
    ['Get SEL Info command failed: Node busy', '', true],
    ['Get SDR 0000 command failed: Requested sensor, data, or record not found', '', true],
    ['', 'SDRR successfully erased\nErr in cmd get sensor sdr info\n', true],
    ['Get HPM.x Capabilities request failed, compcode = d4', 'Inlet Temp | 01h | ok | 7.1 | 23 degrees C', false],
    ['SEL has no entries', '', false],
  ] as const)('%j, %j: broken %s', ([stderr, stdout, expected]) => {
    expect(isBrokenListing({ exitCode: 0, stdout, stderr, timedOut: false })).toBe(expected);
  });
});
