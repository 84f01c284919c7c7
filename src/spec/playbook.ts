/** The Playbook document: what is done to one server. */
import { z } from 'zod';
import { ApiVersion, BesidePath, Duration, Metadata, ParameterValue } from './values.ts';

const minuteMs = 60_000;

const Parameter = z.strictObject({
  type: z.enum(['string', 'integer', 'boolean']),
  default: ParameterValue.optional(),
  description: z.string().optional(),
});
export type Parameter = z.infer<typeof Parameter>;

/** Lower-case first: in a script file a parameter becomes a shell variable, and PATH must stay what it is. */
const ParameterName = z.string().regex(/^[a-z][a-zA-Z0-9]*$/, {
  error: 'letters and digits, the first one a small letter',
});

/** A command on the server. `${name}` stands for a parameter and is quoted for the shell. */
const SshRun = z
  .strictObject({ run: z.string().min(1), timeout: Duration.optional() })
  .transform(({ run, timeout }) => ({ run, timeoutMs: timeout ?? 10 * minuteMs }));

const ServerPath = z.string().regex(/^\//, { error: 'an absolute path on the server' });

/** A file that is written on the server (mode 0600). `${name}` stands for a parameter, as it is. */
const SshCopy = z.strictObject({ copy: z.strictObject({ content: z.string(), to: ServerPath }) });

const SshAction = z.strictObject({ ssh: z.union([SshRun, SshCopy]) });

/** As people write it: a script or a file may also stand beside the playbook. */
const SourceSshAction = z.strictObject({
  ssh: z.union([
    SshRun,
    z.strictObject({ script: BesidePath, timeout: Duration.optional() }),
    z.strictObject({
      copy: z.union([
        z.strictObject({ content: z.string(), to: ServerPath }),
        z.strictObject({ from: BesidePath, to: ServerPath }),
      ]),
    }),
  ]),
});

/** Rungs are tried in this order, each until its share of the time is over. */
export const Rung = z.enum(['ssh', 'bmc-soft', 'bmc-cycle']);
export type Rung = z.infer<typeof Rung>;

const RebootAction = z.strictObject({
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

const SystemCheck = z.union([
  z.strictObject({ kernel: z.strictObject({ is: z.string().min(1) }) }),
  z.strictObject({ units: z.strictObject({ failed: z.int().min(0) }) }),
  z.strictObject({ sel: z.strictObject({ newCritical: z.int().min(0) }) }),
  z.strictObject({ sensors: z.literal('ok') }),
]);

/** A check after the server is back. */
export const Check = z.union([...SystemCheck.options, SshAction]);
export type Check = z.infer<typeof Check>;

/** The document with one or the other form of SSH action in all its lists. */
function playbookWith<Ssh extends z.ZodType>(ssh: Ssh) {
  return z.strictObject({
    apiVersion: ApiVersion,
    kind: z.literal('Playbook'),
    metadata: Metadata,
    spec: z.strictObject({
      parameters: z.record(ParameterName, Parameter).optional(),
      needed: z.array(NeededProbe).optional(),
      prepare: z.array(ssh).optional(),
      service: z.array(z.union([ssh, RebootAction, PowerAction, BootDeviceAction, WaitAction])).min(1),
      verify: z.array(z.union([...SystemCheck.options, ssh])).optional(),
      /** Run on the way back, where the way back is still open. */
      undo: z.array(ssh).optional(),
    }),
  });
}

/** What the program works with: files beside the playbook are read in already. */
export const Playbook = playbookWith(SshAction);
export type Playbook = z.infer<typeof Playbook>;

/** What people write. */
export const PlaybookSource = playbookWith(SourceSshAction);
export type PlaybookSource = z.infer<typeof PlaybookSource>;

/** The lists of actions, in the order in which they come. */
export const actionLists = ['prepare', 'service', 'verify', 'undo'] as const;
