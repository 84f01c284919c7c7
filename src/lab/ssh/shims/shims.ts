/**
 * The programs that maintenance scripts call, as a lab machine has them: same verbs, same exit codes, much the same
 * output. What they know they read from the machine's folder; what they do to the machine they ask of the lab.
 */
import { aptShims } from './apt.ts';
import { dnfShims } from './dnf.ts';
import { firmwareShims } from './firmware.ts';
import { sh } from './sh.ts';
import { systemShims } from './system.ts';

/** Read by every shim first. */
const common = sh`lab=$LAB_ROOT/lab
running=$(cat "$LAB_ROOT/proc/sys/kernel/osrelease")
me=\${0##*/}
is_root() { [ "$LAB_USER" = root ] || [ -n "$LAB_SUDO" ]; }
is_updated() { [ -e "$LAB_ROOT/boot/vmlinuz-$LAB_UPDATED" ]; }
line() { printf '%s\n' "$*"; [ "$LAB_PAUSE" = 0 ] || sleep "$LAB_PAUSE"; }
kernels() { for file in "$LAB_ROOT"/boot/vmlinuz-*; do [ -e "$file" ] && printf '%s\n' "\${file##*/vmlinuz-}"; done | sort -V; }
newest() { if is_updated; then printf '%s\n' "$LAB_UPDATED"; else kernels | tail -n 1; fi; }
call() {
  reply=$lab/reply.$$
  mkfifo -m 600 "$reply" || return 1
  printf '%s %s %s\n' "$LAB_NAME" "$1" "$reply" >"$LAB_CALLS"
  read -r answer <"$reply"
  rm -f "$reply"
  [ "$answer" = ok ]
}
`;

function program(body: string): string {
  return `#!/bin/sh\n. "$LAB_PROGRAMS/.common"\n${body}`;
}

/** By file name. */
export const shims: ReadonlyMap<string, string> = new Map([
  ['.common', common],
  ...Object.entries({ ...aptShims, ...dnfShims, ...firmwareShims, ...systemShims }).map(
    ([name, body]) => [name, program(body)] as const,
  ),
]);
