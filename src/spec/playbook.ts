/** The Playbook document: what is done to one server. */
import { z } from 'zod';
import {
  ApiVersion,
  BesidePath,
  Duration,
  kindMeta,
  Metadata,
  metadataMeta,
  ParameterValue,
  valueKind,
} from './values.ts';

const minuteMs = 60_000;

const Parameter = z.strictObject({
  type: z.enum(['string', 'integer', 'boolean']).meta({ description: 'What its values are' }),
  default: ParameterValue.optional().meta({
    description: 'Its value where a plan gives none',
    absent: 'every plan has to give one',
  }),
  description: z.string().optional().meta({ description: 'For people' }),
});
export type Parameter = z.infer<typeof Parameter>;

/** Lower-case first: in a script file a parameter becomes a shell variable, and PATH must stay what it is. */
const ParameterName = z.string().regex(/^[a-z][a-zA-Z0-9]*$/, {
  error: 'letters and digits, the first one a small letter',
});

const SshTimeout = Duration.optional().meta({
  description: 'It is ended after that, which is a failure',
  default: '10m',
});

/** A command on the server. `${name}` stands for a parameter and is quoted for the shell. */
const SshRun = z
  .strictObject({
    run: z.string().min(1).meta({
      description: 'A script for `sh`; 0 is success. `${name}` stands for a parameter, quoted for the shell',
    }),
    timeout: SshTimeout,
  })
  .transform(({ run, timeout }) => ({ run, timeoutMs: timeout ?? 10 * minuteMs }));

const ServerPath = z
  .string()
  .regex(/^\//, { error: 'an absolute path on the server' })
  .meta(valueKind('path there', 'An absolute path on the server'));

/** A file that is written on the server (mode 0600). `${name}` stands for a parameter, as it is. */
const SshCopy = z.strictObject({ copy: z.strictObject({ content: z.string(), to: ServerPath }) });

const SshAction = z.strictObject({ ssh: z.union([SshRun, SshCopy]) });

const CopyTarget = ServerPath.meta({ description: 'Where it is written' });

const SshScript = z.strictObject({
  script: BesidePath.meta({ description: 'The same from a file; parameters are shell variables there' }),
  timeout: SshTimeout,
});

/** As people write it: a script or a file may also stand beside the playbook. */
const SourceSshAction = z.strictObject({
  ssh: z
    .union([
      SshRun,
      SshScript,
      z.strictObject({
        copy: z
          .union([
            z.strictObject({
              content: z.string().meta({ description: 'Its text; `${name}` stands for a parameter, as it is' }),
              to: CopyTarget,
            }),
            z.strictObject({ from: BesidePath.meta({ description: 'The file that it is a copy of' }), to: CopyTarget }),
          ])
          .meta({ description: 'A file that is written on the server, with mode 0600' }),
      }),
    ])
    .meta({ description: 'A command on the server, or a file for it (which is no check), over SSH' }),
});

/** Rungs are tried in this order, each until its share of the time is over. */
export const Rung = z.enum(['ssh', 'bmc-soft', 'bmc-cycle']);
export type Rung = z.infer<typeof Rung>;

const RebootAction = z.strictObject({
  reboot: z
    .strictObject({
      ladder: z
        .array(Rung)
        .min(1)
        .optional()
        .meta({
          description: 'What is tried, in this order: over SSH, a soft shutdown by the BMC, off and on by the BMC',
          default: ['ssh', 'bmc-soft', 'bmc-cycle'],
        }),
      timeout: Duration.optional().meta({
        description: 'For each rung: how long the server may take to come back with a new boot id',
        default: '20m',
      }),
      expect: z
        .strictObject({
          kernel: z.string().min(1).meta({
            description: 'Its release, as `uname -r` says it; `${newest}` is the newest that is installed',
          }),
        })
        .optional()
        .meta({ description: 'What has to run then', absent: 'a new boot id is enough' }),
    })
    .transform(({ ladder, timeout, expect }) => ({
      ladder: ladder ?? (['ssh', 'bmc-soft', 'bmc-cycle'] as Rung[]),
      timeoutMs: timeout ?? 20 * minuteMs,
      expect,
    }))
    .meta({ description: 'A reboot, believed only with evidence' }),
});

const PowerAction = z.strictObject({
  power: z.enum(['on', 'off']).meta({ description: 'Power by the BMC, until it says that it is so' }),
});
const BootDeviceAction = z.strictObject({
  bootDevice: z.enum(['disk', 'pxe', 'bios']).meta({ description: 'What it boots from the next time, once' }),
});
const WaitAction = z
  .strictObject({ wait: Duration.meta({ description: 'Nothing is done for so long' }) })
  .transform(({ wait }) => ({ waitMs: wait }));

/** What can stand in `prepare`, `service` and `undo`. A union by its only key. */
export const Action = z.union([SshAction, RebootAction, PowerAction, BootDeviceAction, WaitAction]);
export type Action = z.infer<typeof Action>;

/** A probe that tells whether there is anything to do. `needed` names the exit code that means yes; any other third answer is *unknown* and halts. */
const NeededProbe = z.strictObject({
  ssh: z
    .strictObject({
      run: z.string().min(1).meta({ description: 'A script for `sh`, with parameters as in `ssh.run`' }),
      needed: z
        .enum(['exit 0', 'exit 1'])
        .meta({ description: 'Which exit code means yes; the other means no, and any third one halts' }),
      timeout: Duration.optional().meta({ description: 'It is ended after that, which halts', default: '1m' }),
    })
    .transform(({ run, needed, timeout }) => ({
      run,
      neededExitCode: needed === 'exit 0' ? (0 as const) : (1 as const),
      timeoutMs: timeout ?? minuteMs,
    }))
    .meta({ description: 'A command on the server, asked by SSH' }),
});

const SystemCheck = z.union([
  z.strictObject({
    kernel: z
      .strictObject({ is: z.string().min(1).meta({ description: 'Its release; `${newest}` is the newest installed' }) })
      .meta({ description: 'Which kernel runs' }),
  }),
  z.strictObject({
    units: z
      .strictObject({ failed: z.int().min(0).meta({ description: 'At most so many' }) })
      .meta({ description: 'How many units of systemd have failed' }),
  }),
  z.strictObject({
    sel: z
      .strictObject({ newCritical: z.int().min(0).meta({ description: 'At most so many' }) })
      .meta({ description: 'How many critical entries the BMC’s event log has got meanwhile' }),
  }),
  z.strictObject({ sensors: z.literal('ok').meta({ description: 'No sensor of the BMC is critical' }) }),
]);

/** A file that is written checks nothing. */
const SshCheck = z.strictObject({ ssh: SshRun });
const SourceSshCheck = z.strictObject({ ssh: z.union([SshRun, SshScript]) });

/** A check after the server is back. */
export const Check = z.union([...SystemCheck.options, SshCheck]);
export type Check = z.infer<typeof Check>;

/** The document with one or the other form of SSH action in all its lists. */
function playbookWith<Ssh extends z.ZodType, SshProbe extends z.ZodType>(ssh: Ssh, sshCheck: SshProbe) {
  return z.strictObject({
    apiVersion: ApiVersion,
    kind: z.literal('Playbook').meta(kindMeta),
    metadata: Metadata.meta(metadataMeta),
    spec: z.strictObject({
      parameters: z.record(ParameterName, Parameter).optional().meta({
        description: 'What plans may set, by name (letters and digits, a small letter first)',
        absent: 'none',
      }),
      needed: z.array(NeededProbe).optional().meta({
        description: 'Asked first: whether there is anything to do; a server that needs nothing is done at once',
        absent: 'always needed',
      }),
      prepare: z
        .array(ssh)
        .optional()
        .meta({ description: 'Before the cordon, while pods still run: downloads, checks', absent: 'nothing' }),
      service: z
        .array(z.union([ssh, RebootAction, PowerAction, BootDeviceAction, WaitAction]))
        .min(1)
        .meta({ description: 'The work itself, once the pods have gone' }),
      verify: z
        .array(z.union([...SystemCheck.options, sshCheck]))
        .optional()
        .meta({ description: 'What must hold before the server goes back into service', absent: 'nothing' }),
      undo: z.array(ssh).optional().meta({
        description: 'On the way back, where the way back is still open: takes back what `prepare` has done',
        absent: 'nothing',
      }),
    }),
  });
}

/** What the program works with: files beside the playbook are read in already. */
export const Playbook = playbookWith(SshAction, SshCheck);
export type Playbook = z.infer<typeof Playbook>;

/** What people write. */
export const PlaybookSource = playbookWith(SourceSshAction, SourceSshCheck);
export type PlaybookSource = z.infer<typeof PlaybookSource>;

/** The lists of actions, in the order in which they come. */
export const actionLists = ['prepare', 'service', 'verify', 'undo'] as const;
