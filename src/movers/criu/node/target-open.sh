# Second part of the target's preparation, once its files are in place.
. "$move/env"
. "$move/lib"
[ -z "$keepsAddress" ] || keep_silent || stop "the target cannot keep an address silent (nft, family bridge)"
guard_pages "$table" $remotePorts || stop "the target cannot guard the ports through which memory is fetched (nft)"
home=$(getent passwd "$sshUser" | cut -d: -f6)
door=$home/.ssh/authorized_keys
mkdir -p "$home/.ssh"
listen=
for port in $remotePorts; do listen="$listen,permitlisten=\"127.0.0.1:$port\""; done
[ -z "$listen" ] || listen=",port-forwarding,permitopen=\"127.0.0.1:1\"$listen"
run="bash $move/receive \\\"\$SSH_ORIGINAL_COMMAND\\\""
[ "$sshUser" = root ] || run="sudo -n $run"
exec 9>"$base/door.lock" && flock 9
if ! grep -q " pitcrew-$moveId\$" "$door" 2>/dev/null; then
  [ ! -s "$door" ] || [ -z "$(tail -c 1 "$door")" ] || echo >>"$door"
  printf 'restrict,expiry-time="%s"%s,command="%s" %s\n' "$(date -d '+6 hours' +%Y%m%d%H%M)" "$listen" "$run" "$publicKey" >>"$door" || exit 1
  [ "$sshUser" = root ] || chown "$sshUser": "$home/.ssh" "$door"
fi
flock -u 9
echo "fact boot $(cat /proc/sys/kernel/random/boot_id)"
# From the private halves: a public file that lies beside may be of another day.
for file in $(sshd -T 2>/dev/null | sed -n 's/^hostkey //p'); do
  [ ! -r "$file" ] || echo "fact hostKey $(ssh-keygen -y -f "$file" </dev/null 2>/dev/null | cut -d' ' -f1,2)"
done
echo prepared
