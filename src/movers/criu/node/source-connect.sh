# On the source: the way to the target, tried once; from then on the pod's containers are held.
umask 077
base=/run/pitcrew move=$base/moves/$moveId.source
stop() {
  echo "blocked $*"
  exit 0
}
. "$move/env"
guard_pages "$table" $ports || stop "the source cannot guard the ports through which memory is fetched (nft)"
answer=$(echo hello | timeout 20 ssh -F "$move/ssh_config" -o ClearAllForwardings=yes target session 2>"$move/ssh.log")
[ "$answer" = hello ] || stop "the source cannot reach the target over SSH: $(tail -n 1 "$move/ssh.log" | tr -d '\r')"
(cd "$move" && bash -c '. ./files && is_too_much before' 2>>log) && exit
for link in "$base"/containers/*.new; do
  [ "$(readlink "$link")" != "$move/source" ] || mv -T "$link" "${link%.new}"
done
echo prepared
