#!/bin/bash
# On the source, while the pod still runs: the first copy of its files. What cannot be copied now goes along in the freeze, if
# it is not too much for that.
move=$1
. "$move/files"
umask 077
cd "$move" || exit 1
carry() { ssh -F ssh_config -o ClearAllForwardings=yes target "$1" 2>>log; }
while read -r kind name folder _; do
  [ "$name" = dev-shm ] || first_copy "$kind" "$name" "$folder" </dev/null 2>>log
done <folders
is_too_much after || echo prepared
