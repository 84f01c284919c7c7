#!/bin/sh
# `systemctl` of a lab server, as far as a server's preparation needs it. What it does not know it refuses.
set -eu
while [ $# -gt 0 ]; do
  case $1 in --*|-q) shift ;; *) break ;; esac
done
verb=${1:-} unit=${2:-}
name=${unit%.service}
pid() { cat "/run/lab/$name.pid" 2>/dev/null; }
end() {
  old=$(pid) || return 0
  kill "$old" 2>/dev/null || return 0
  while kill -0 "$old" 2>/dev/null; do sleep 0.05; done
}
case $verb in
  daemon-reload) exit 0 ;;
  reboot) echo reboot >/var/lib/lab-wish; kill -TERM 1; exit 0 ;;
  poweroff) echo poweroff >/var/lib/lab-wish; kill -TERM 1; exit 0 ;;
esac
case $name in
  containerd|sshd) ;;
  ssh) name=sshd ;;
  *) echo "Unit $unit could not be found." >&2; exit 5 ;;
esac
case $verb in
  start) rm -f "/run/lab/$name.off" ;;
  stop) : >"/run/lab/$name.off"; end ;;
  restart|reload-or-restart|try-restart) rm -f "/run/lab/$name.off"; end; until pid >/dev/null; do sleep 0.05; done ;;
  is-active) if pid >/dev/null; then echo active; else echo inactive; exit 3; fi ;;
  enable) exit 0 ;;
  show) echo "ActiveState=$(pid >/dev/null && echo active || echo inactive)" ;;
  *) echo "systemctl of a lab server does not know: $verb" >&2; exit 1 ;;
esac
