/**
 * The table of every error code: what it means to a person, what to do next, and which exit code the CLI ends with.
 *
 * It decides nothing about retrying: that is the `disposition` of the error that was thrown, because the same code can
 * be worth a retry at first and not after the tenth time.
 */

/** Exit codes of the CLI. Part of the public contract: scripts depend on them. */
export const ExitCode = {
  done: 0,
  runFailed: 1,
  usage: 2,
  invalidDocument: 3,
  refused: 4,
  unreachable: 5,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

interface CodeLine {
  readonly exit: ExitCode;
  /** What a person can do about it. Empty where the message itself always says so. */
  readonly next: string;
}

const { runFailed, usage, invalidDocument, refused, unreachable } = ExitCode;

/** One line per code, sorted by area. Adding a code means adding a line here. */
export const errorCodes = {
  'api/address': { exit: refused, next: 'choose another socket or port, or end the daemon that has it' },
  'api/bad-answer': { exit: unreachable, next: 'is this the address of a Pitcrew daemon of the same version?' },
  'api/bad-request': { exit: usage, next: '' },
  'api/internal': { exit: runFailed, next: 'the log of the daemon says more; this is a bug' },
  'api/not-found': { exit: usage, next: '`pitcrew status` lists the runs, `pitcrew servers` the servers' },
  'api/unauthorized': { exit: refused, next: 'use the token file in the daemon’s data folder, or set PITCREW_TOKEN' },
  'api/unreachable': { exit: unreachable, next: 'is `pitcrew daemon` running, and is the address right?' },
  'bmc/bad-answer': { exit: unreachable, next: 'run `ipmitool` by hand against this BMC and compare' },
  'bmc/busy': {
    exit: unreachable,
    next: 'the BMC is short of sessions or memory; wait, then look whether others poll it',
  },
  'bmc/cipher-suite': {
    exit: refused,
    next: 'set `cipherSuite` of this server in the inventory: 17 for current BMCs, 3 for older ones',
  },
  'bmc/forbidden': { exit: refused, next: 'give this BMC user the privilege that the inventory names, over the LAN' },
  'bmc/lies': { exit: runFailed, next: 'look at the console; the BMC says one thing and does another' },
  'bmc/password': { exit: refused, next: 'correct the password reference of this server in the inventory' },
  'bmc/unreachable': { exit: unreachable, next: 'check cable, address and cipher suite of the BMC' },
  'cluster/conflict': { exit: unreachable, next: 'somebody else changed the object at the same time' },
  'cluster/forbidden': { exit: refused, next: '`pitcrew doctor` names every right that is missing' },
  'cluster/kubeconfig': {
    exit: usage,
    next: 'name one by --kubeconfig or KUBECONFIG; deploy/README.md says how to make it',
  },
  'cluster/not-found': { exit: refused, next: 'is the node name in the inventory the one that Kubernetes uses?' },
  'cluster/refused': { exit: refused, next: '' },
  'cluster/throttled': { exit: unreachable, next: 'the Kubernetes API is overloaded; it is asked again by itself' },
  'cluster/unauthorized': { exit: refused, next: 'the token or certificate for the Kubernetes API is not accepted' },
  'cluster/unreachable': { exit: unreachable, next: 'is the Kubernetes API reachable from this machine?' },
  'document/invalid': { exit: invalidDocument, next: '' },
  'document/not-found': { exit: invalidDocument, next: '' },
  'engine/bug': { exit: runFailed, next: 'please report it together with the daemon’s log; then retry or skip' },
  'evacuation/blocked': { exit: runFailed, next: 'ask the owner of the pod named, or write a rule for it in the plan' },
  'evacuation/mover': {
    exit: runFailed,
    next: 'look at the pod and at what its mover says of it; retry the server once the move is over',
  },
  'evacuation/timeout': { exit: runFailed, next: 'see which budget or pod held it up, then `pitcrew retry`' },
  'gate/refused': { exit: runFailed, next: 'the gate in the plan says no; mend what it watches' },
  'git/auth': { exit: refused, next: 'does this key or token exist still, and may it read the repository?' },
  'git/failed': { exit: unreachable, next: 'run `git ls-remote` by hand as the daemon’s user and compare' },
  'git/host-key': { exit: refused, next: 'compare the host key by another way, then correct the known_hosts file' },
  'git/not-found': { exit: invalidDocument, next: 'check repository, branch and folder in the daemon’s options' },
  'git/settings': { exit: usage, next: '`pitcrew help daemon` lists the options for documents from Git' },
  'git/signature': { exit: refused, next: 'have the commit signed by somebody on the list of allowed signers' },
  'git/too-large': { exit: invalidDocument, next: 'use a repository that holds the documents and little else' },
  'git/unreachable': { exit: unreachable, next: 'is the Git server reachable from the daemon’s machine?' },
  'host/missing-program': { exit: unreachable, next: '' },
  'journal/conflict': { exit: unreachable, next: 'another process wrote first; it is read again by itself' },
  'journal/fenced': { exit: unreachable, next: 'another daemon holds this server now' },
  'journal/unreachable': { exit: unreachable, next: 'is Redis reachable? Runs go on by themselves once it is' },
  'lease/held': {
    exit: refused,
    next: 'a run (`pitcrew servers` names it), another daemon or another tool is at work there',
  },
  'lease/lost': { exit: unreachable, next: 'another daemon took over; it goes on there' },
  'mover/unclear': {
    exit: runFailed,
    next: 'the pod is kept as it stands. Bring its target back, or switch it off (or taint it node.kubernetes.io/out-of-service), then resume the run',
  },
  'node/cordon-lifted': {
    exit: runFailed,
    next: 'pods may have come back to it, so a retry ends the same way: skip it; the next run cordons it anew',
  },
  'node/foreign-cordon': {
    exit: refused,
    next: 'somebody else cordoned this node; ask them, then uncordon or skip it',
  },
  'reboot/no-evidence': {
    exit: runFailed,
    next: 'look at the console (`ipmitool … sol activate`), then retry or skip',
  },
  'reboot/switched-off': {
    exit: runFailed,
    next: 'find out who switched it off and why; once it may run again, switch it on and retry',
  },
  'reboot/wrong-kernel': { exit: runFailed, next: 'check the boot loader’s default entry on this server' },
  'run/no-room': {
    exit: runFailed,
    next: 'see to the servers named, or give the plan more room; then `pitcrew retry`',
  },
  'run/refused': { exit: refused, next: '' },
  'secret/unreadable': { exit: invalidDocument, next: 'check path, owner and mode of the file that holds the secret' },
  'service/failed': {
    exit: runFailed,
    next: '`pitcrew history RUN SERVER` shows the output; mend it, then `pitcrew retry`',
  },
  'service/unclear': { exit: runFailed, next: 'find out on the server whether the command ran, then retry or skip' },
  'ssh/auth': { exit: refused, next: 'correct user or key of this server in the inventory' },
  'ssh/disconnected': { exit: unreachable, next: 'the connection dropped; the command is picked up again by itself' },
  'ssh/host-key': { exit: refused, next: 'compare the host key by another way, then correct known_hosts' },
  'ssh/refused': { exit: refused, next: 'log in by hand and try what the message names: sudo, disk, programs' },
  'ssh/timeout': { exit: unreachable, next: 'the server answers too slowly over SSH' },
  'ssh/unreachable': { exit: unreachable, next: 'is the server up, and its SSH address right?' },
  'verify/failed': { exit: runFailed, next: 'the server is up but not well; mend it, then `pitcrew retry`' },
  'wait/timeout': { exit: runFailed, next: '' },
} as const satisfies Record<string, CodeLine>;

export type ErrorCode = keyof typeof errorCodes;

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCodes, text);
}
