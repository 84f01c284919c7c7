#!/bin/sh
# Keeps sshd and containerd of a lab server running, in place of systemd. `systemctl` of this server talks to it by files in
# /run/lab: NAME.pid is the running process, NAME.off says that it shall stay away.
set -u
mkdir -p /run/lab /run/sshd

keep() {
  name=$1
  shift
  while :; do
    if [ -e "/run/lab/$name.off" ]; then
      sleep 0.2
      continue
    fi
    "$@" >>"/var/log/$name.log" 2>&1 </dev/null &
    echo $! >"/run/lab/$name.pid"
    wait $!
    rm -f "/run/lab/$name.pid"
    sleep 0.1
  done
}

keep sshd /usr/sbin/sshd -D -e -o ListenAddress="$1" -o PermitRootLogin=prohibit-password -o UsePAM=no -o UseDNS=no -o MaxStartups=100 -o MaxSessions=100 &
keep containerd /usr/bin/containerd &
wait
