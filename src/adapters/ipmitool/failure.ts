/**
 * What a failed `ipmitool` means. Pure: the one place where its words become an error of ours.
 *
 * The texts are those of ipmitool 1.8.19 (`ipmi_rakp_return_codes`, `completion_code_vals`, `lanplus.c`); the busy ones
 * are those that OpenStack Ironic repeats on. It never decides how often something is tried again.
 */
import type { ErrorCode } from '../../errors/codes.ts';
import { MaintenanceError, type Disposition } from '../../errors/maintenance-error.ts';
import type { BmcTarget } from './command.ts';

export interface Outcome {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** It was still running when its time was over, and was killed. */
  readonly timedOut: boolean;
}

interface Rule {
  readonly text: RegExp;
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  readonly says: string;
  readonly retryAfterMs?: number;
}

/** Busy BMCs need longer than the pause between two commands. */
const busyAfterMs = 10_000;

/** First match wins. `Unable to establish` comes with almost every reason, so it stands last. */
const rules: readonly Rule[] = [
  {
    text: /insufficient resources for session|Node busy|Out of space|BMC initialization in progress|in update mode|failed: Timeout/i,
    code: 'bmc/busy',
    disposition: 'retry',
    says: 'the BMC is too busy to answer',
    retryAfterMs: busyAfterMs,
  },
  {
    text: /RAKP 2 HMAC is invalid|RAKP 4 message has invalid integrity|invalid integrity check value|unauthorized name|unauthorized GUID/i,
    code: 'bmc/password',
    disposition: 'halt',
    says: 'the BMC refuses this user or password',
  },
  {
    text: /unauthorized role|invalid role|Insufficient privilege level|Set Session Privilege Level to \w+ failed: /i,
    code: 'bmc/forbidden',
    disposition: 'halt',
    says: 'this user of the BMC lacks the privilege',
  },
  {
    text: /invalid (?:authentication|integrity|confidentiality) algorithm|no matching (?:authentication|integrity) payload|no matching cipher suite|no cipher suite match|Unsupported cipher suite|is not what we requested|does not support IPMI v2/i,
    code: 'bmc/cipher-suite',
    disposition: 'halt',
    says: 'the BMC does not take this cipher suite',
  },
  {
    text: /Unable to establish|no response from RAKP|Get Auth Capabilities error|Could not open socket|Address lookup|Set Session Privilege Level to \w+ failed\s*$|IPMI LAN send command failed|Close Session command failed/im,
    code: 'bmc/unreachable',
    disposition: 'retry',
    says: 'the BMC does not answer',
  },
];

/** A listing that broke off ends with exit code 0 all the same; only this tells it from a complete one. */
const brokenListing =
  /(?:Get SEL (?:Info|Entry).*failed|Get SDR .*failed|Unable to (?:open SDR|obtain SDR|renew SDR)|Error obtaining SDR|Err in cmd get sensor|Get Device ID command failed)/;

export function isBrokenListing(outcome: Outcome): boolean {
  return brokenListing.test(outcome.stderr) || brokenListing.test(outcome.stdout);
}

export function failureOf(outcome: Outcome, target: BmcTarget, asked: string): MaintenanceError {
  const where = `${target.address}:${target.port}`;
  const details = { address: target.address, port: target.port, asked, answer: tailOf(outcome.stderr) };
  if (outcome.timedOut) {
    const message = `the BMC ${where} did not answer to "${asked}" in time`;
    return new MaintenanceError('bmc/unreachable', 'retry', message, { details });
  }
  const rule = rules.find(({ text }) => text.test(outcome.stderr));
  if (!rule) return badAnswer(target, asked, outcome.stderr || outcome.stdout);
  return new MaintenanceError(rule.code, rule.disposition, `${rule.says} (${where})`, {
    details,
    retryAfterMs: rule.retryAfterMs,
  });
}

/** An answer that cannot be what the BMC meant. Worth asking again: lost packets and starting BMCs cause it. */
export function badAnswer(target: BmcTarget, asked: string, answer: string): MaintenanceError {
  const details = { address: target.address, port: target.port, asked, answer: tailOf(answer) };
  const message = `the BMC ${target.address}:${target.port} answered "${asked}" with something else`;
  return new MaintenanceError('bmc/bad-answer', 'retry', message, { details });
}

/** The end of what it said, where the reason stands, without the lines that verbose always adds. */
function tailOf(text: string): string {
  const lines = text.split('\n').filter((line) => !/^(?:Loading IANA|Running Get VSO|Discovered IPMB|\s*$)/.test(line));
  return lines.join('\n').slice(-400);
}
