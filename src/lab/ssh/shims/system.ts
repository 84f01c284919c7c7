/** Kernel, systemd and the ways to reboot; and `sync`, which would flush the real machine's disks again and again. */
import { sh } from './sh.ts';

const systemctl = sh`verb='' quiet='' names='' expect='' failed=''
for word in "$@"; do
  if [ -n "$expect" ]; then expect=''; continue; fi
  case $word in
    -q | --quiet) quiet=1 ;;
    --failed | --state=failed) failed=1 ;;
    -t | -p | -n | --type | --property | --lines) expect=1 ;;
    -*) ;;
    *) if [ -z "$verb" ]; then verb=$word; else names="$names $word"; fi ;;
  esac
done
[ -n "$verb" ] || verb=list-units
need_root() { is_root || { echo 'Failed: Interactive authentication required.' >&2; exit 1; }; }
active() {
  case \${1%.service} in
    kubelet | containerd | ssh | sshd | cron | crond | dbus | chronyd | systemd-journald) ! grep -qxe "$1" -e "\${1%.service}.service" "$lab/failed-units" ;;
    *) return 1 ;;
  esac
}
case $verb in
  list-units)
    while read -r unit; do
      [ -n "$unit" ] && echo "$unit loaded failed failed $unit"
    done <"$lab/failed-units"
    if [ -z "$failed" ]; then
      for unit in containerd kubelet ssh; do active $unit && echo "$unit.service loaded active running $unit"; done
    fi
    exit 0
    ;;
  is-system-running)
    if [ -s "$lab/failed-units" ]; then echo degraded; exit 1; fi
    echo running
    ;;
  is-active)
    code=3
    for unit in $names; do
      if active "$unit"; then code=0; word=active; else word=inactive; fi
      [ -n "$quiet" ] || echo $word
    done
    exit $code
    ;;
  is-failed)
    for unit in $names; do grep -qxe "$unit" -e "$unit.service" "$lab/failed-units" && { echo failed; exit 0; }; done
    echo active
    exit 1
    ;;
  is-enabled) for unit in $names; do active "$unit" && echo enabled || { echo disabled; exit 1; }; done ;;
  status | show) for unit in $names; do active "$unit" || exit 3; done ;;
  start | stop | restart | reload | try-restart | enable | disable | daemon-reload | reset-failed | mask | unmask) need_root ;;
  reboot) need_root; call reboot ;;
  poweroff | halt) need_root; call powerOff ;;
  *) echo "Unknown command verb $verb." >&2; exit 1 ;;
esac
`;

const shutdown = sh`how=powerOff when=+1
for word in "$@"; do
  case $word in
    -r | --reboot) how=reboot ;;
    -h | -P | -H | --poweroff | --halt) ;;
    -c) rm -f "$LAB_ROOT/run/systemd/shutdown/scheduled"; exit 0 ;;
    --show) [ -e "$LAB_ROOT/run/systemd/shutdown/scheduled" ] && echo 'a shutdown is scheduled' || echo 'No scheduled shutdown.'; exit 0 ;;
    -*) echo "shutdown: unrecognized option '$word'" >&2; exit 1 ;;
    now | +0) when=now ;;
    *) [ "$when" = now ] || when=$word ;;
  esac
done
is_root || { echo 'Failed: Interactive authentication required.' >&2; exit 1; }
if [ "$when" = now ]; then call "$how"; exit; fi
mkdir -p "$LAB_ROOT/run/systemd/shutdown"
echo "MODE=$how" >"$LAB_ROOT/run/systemd/shutdown/scheduled"
`;

const uname = sh`[ $# -gt 0 ] || set -- -s
for word in "$@"; do
  case $word in
    -r | --kernel-release) out="$out $running" ;;
    -s | --kernel-name) out="$out Linux" ;;
    -n | --nodename) out="$out $LAB_NAME" ;;
    -v | --kernel-version) out="$out #1 SMP PREEMPT_DYNAMIC" ;;
    -m | --machine | -p | -i) out="$out x86_64" ;;
    -o | --operating-system) out="$out GNU/Linux" ;;
    -a | --all) out="$out Linux $LAB_NAME $running #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux" ;;
    -sr) out="$out Linux $running" ;;
    *) echo "uname: unrecognized option '$word'" >&2; exit 1 ;;
  esac
done
echo "\${out# }"
`;

/** The user whom the machine lets in may do everything without a password, as `sudo -n` needs it. */
const sudo = sh`while [ $# -gt 0 ]; do
  case $1 in
    -n | -E | -H | --non-interactive | --) shift ;;
    -u) shift 2 ;;
    -*) echo "sudo: invalid option $1" >&2; exit 1 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo 'usage: sudo -h | -K | -k | -V' >&2; exit 1; }
LAB_SUDO=1
export LAB_SUDO
exec "$@"
`;

const id = sh`if is_root; then number=0 name=root; else number=1000 name=$LAB_USER; fi
case "$*" in
  -u | -g | -ru | '-r -u') echo $number ;;
  -un | -gn | '-u -n' | '-n -u') echo "$name" ;;
  '') echo "uid=$number($name) gid=$number($name) groups=$number($name)" ;;
  *) echo "id: invalid option -- '$1'" >&2; exit 1 ;;
esac
`;

/** Looks at this machine's processes only, not at those of the real one around it. */
const pgrep = sh`real=/usr/bin/pgrep
[ -x "$real" ] || exit 127
code=1
for pid in $("$real" "$@"); do
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/environ" | grep -qxF "PITCREW_LAB_MACHINE=$LAB_ROOT" && { echo "$pid"; code=0; }
done
exit $code
`;

const refuse = sh`echo "$me: this machine of the lab does not do that" >&2
exit 1
`;

export const systemShims = {
  systemctl,
  shutdown,
  reboot: 'exec "$LAB_PROGRAMS/systemctl" reboot\n',
  poweroff: 'exec "$LAB_PROGRAMS/systemctl" poweroff\n',
  halt: 'exec "$LAB_PROGRAMS/systemctl" halt\n',
  uname,
  sudo,
  id,
  pgrep,
  hostname: 'echo "$LAB_NAME"\n',
  sync: ':\n',
  // What would reach the real machine, whoever the lab runs as.
  init: refuse,
  kexec: refuse,
  telinit: refuse,
};
