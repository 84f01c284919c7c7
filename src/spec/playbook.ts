/** The Playbook document: what is done to one server. */
import { z } from 'zod';
import { ApiVersion, Duration, Metadata } from './values.ts';

const minuteMs = 60_000;

const Parameter = z.strictObject({
  type: z.enum(['string', 'integer', 'boolean']),
  default: z.union([z.string(), z.int(), z.boolean()]).optional(),
  description: z.string().optional(),
});

/** A command on the server. `${name}` stands for a parameter and is quoted for the shell. */
const SshRun = z
  .strictObject({ run: z.string().min(1), timeout: Duration.optional() })
  .transform(({ run, timeout }) => ({ run, timeoutMs: timeout ?? 10 * minuteMs }));

/** A file from beside the playbook, copied to the server (mode 0600). */
const SshCopy = z.strictObject({ copy: z.strictObject({ content: z.string(), to: z.string().startsWith('/') }) });

export const SshAction = z.strictObject({ ssh: z.union([SshRun, SshCopy]) });

/** Rungs are tried in this order, each until its share of the time is over. */
export const Rung = z.enum(['ssh', 'bmc-soft', 'bmc-cycle']);
export type Rung = z.infer<typeof Rung>;

export const RebootAction = z.strictObject({
  reboot: z
    .strictObject({
      ladder: z.array(Rung).min(1).optional(),
      /** For each rung: how long the server may take to come back with a new boot id. */
      timeout: Duration.optional(),
      expect: z.strictObject({ kernel: z.string().min(1) }).optional(),
    })
    .transform(({ ladder, timeout, expect }) => ({
      ladder: ladder ?? (['ssh', 'bmc-soft', 'bmc-cycle'] as Rung[]),
      timeoutMs: timeout ?? 20 * minuteMs,
      expect,
    })),
});

const PowerAction = z.strictObject({ power: z.enum(['on', 'off']) });
const BootDeviceAction = z.strictObject({ bootDevice: z.enum(['disk', 'pxe', 'bios']) });
const WaitAction = z.strictObject({ wait: Duration }).transform(({ wait }) => ({ waitMs: wait }));

/** What can stand in `prepare`, `service` and `undo`. A union by its only key. */
export const Action = z.union([SshAction, RebootAction, PowerAction, BootDeviceAction, WaitAction]);
export type Action = z.infer<typeof Action>;

/** A probe that tells whether there is anything to do. `needed` names the exit code that means yes; any other third answer is *unknown* and halts. */
const NeededProbe = z.strictObject({
  ssh: z
    .strictObject({ run: z.string().min(1), needed: z.enum(['exit 0', 'exit 1']), timeout: Duration.optional() })
    .transform(({ run, needed, timeout }) => ({
      run,
      neededExitCode: needed === 'exit 0' ? (0 as const) : (1 as const),
      timeoutMs: timeout ?? minuteMs,
    })),
});

/** A check after the server is back. */
export const Check = z.union([
  z.strictObject({ kernel: z.strictObject({ is: z.string().min(1) }) }),
  z.strictObject({ units: z.strictObject({ failed: z.int().min(0) }) }),
  z.strictObject({ sel: z.strictObject({ newCritical: z.int().min(0) }) }),
  z.strictObject({ sensors: z.literal('ok') }),
  SshAction,
]);
export type Check = z.infer<typeof Check>;

export const Playbook = z.strictObject({
  apiVersion: ApiVersion,
  kind: z.literal('Playbook'),
  metadata: Metadata,
  spec: z.strictObject({
    parameters: z.record(z.string().regex(/^[a-zA-Z][a-zA-Z0-9]*$/), Parameter).optional(),
    needed: z.array(NeededProbe).optional(),
    prepare: z.array(SshAction).optional(),
    service: z.array(Action).min(1),
    verify: z.array(Check).optional(),
    undo: z.array(SshAction).optional(),
  }),
});
export type Playbook = z.infer<typeof Playbook>;
