/**
 * From a playbook and its parameters to the program that every server goes through.
 *
 * It fills in the parameters, quoted for the shell; what only the server can know (`${newest}`) stays as it is.
 */
import { fillIn, fillPlain, fillSsh, type ParameterValues } from '../spec/parameters.ts';
import type { Action, Check, Playbook } from '../spec/playbook.ts';
import type { ProgramStep, SshAction } from '../workflow/definition.ts';

/** The two steps before the point of no return that every kind of run shares. */
const evacuation: readonly ProgramStep[] = [
  { kind: 'cordon', id: 'cordon' },
  { kind: 'evacuate', id: 'evacuate' },
];

export function maintenanceProgram(playbook: Playbook, values: ParameterValues): ProgramStep[] {
  const { needed, prepare, service, verify } = playbook.spec;
  return [
    {
      kind: 'prepare',
      id: 'prepare',
      needed: (needed ?? []).map(({ ssh }) => ({ ...ssh, run: fillIn(ssh.run, values) })),
      actions: (prepare ?? []).map((action) => fillSsh(action, values)),
    },
    ...evacuation,
    ...service.map((action, index) => serviceStep(action, index, values)),
    { kind: 'rejoin', id: 'rejoin' },
    { kind: 'verify', id: 'verify', checks: (verify ?? []).map((check) => fillCheck(check, values)) },
    { kind: 'return', id: 'return' },
  ];
}

/** `pitcrew evacuate SERVER`: the server ends cordoned and empty, with our name on it. */
export function evacuateProgram(): ProgramStep[] {
  return [{ kind: 'prepare', id: 'prepare', needed: [], actions: [] }, ...evacuation];
}

/** `pitcrew return SERVER`: back into service, once SSH and Kubernetes tell of the same boot and the node is Ready. */
export function returnProgram(): ProgramStep[] {
  return [
    { kind: 'rejoin', id: 'rejoin' },
    { kind: 'return', id: 'return' },
  ];
}

export function undoActions(playbook: Playbook, values: ParameterValues): SshAction[] {
  return (playbook.spec.undo ?? []).map((action) => fillSsh(action, values));
}

function serviceStep(action: Action, index: number, values: ParameterValues): ProgramStep {
  if ('reboot' in action) {
    const { ladder, timeoutMs, expect } = action.reboot;
    const expectKernel = expect && fillPlain(expect.kernel, values);
    return { kind: 'reboot', id: `reboot-${index + 1}`, ladder, timeoutMs, expectKernel };
  }
  const filled = 'ssh' in action ? fillSsh(action, values) : action;
  return { kind: 'service', id: `service-${index + 1}`, action: filled };
}

function fillCheck(check: Check, values: ParameterValues): Check {
  if ('ssh' in check) return { ssh: { ...check.ssh, run: fillIn(check.ssh.run, values) } };
  if ('kernel' in check) return { kernel: { is: fillPlain(check.kernel.is, values) } };
  return check;
}
