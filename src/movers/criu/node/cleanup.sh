# Takes away what a move left on this server, whatever became of it; may run any number of times. It ends nothing that
# serves: a pod that is still frozen here is the source's business, and is left alone.
base=/run/pitcrew
for move in "$base/moves/$moveId" "$base/moves/$moveId.source"; do
  [ -d "$move" ] || continue
  if [ -e "$move/locked" ] && [ ! -e "$move/released" ]; then
    echo "kept frozen"
    exit 0
  fi
  # Restored, and still fetching its memory: without this folder it would be lost.
  for images in "$move"/images/*; do
    name=${images##*/}
    if [ -e "$images/lazy" ] && [ -e "$move/restored/$name" ] && [ ! -e "$move/pages/$name" ] && [ ! -e "$move/failed/$name" ]; then
      echo "kept fetching"
      exit 0
    fi
  done
  true >"$move/released"
  # Who still waits there for images is told that none will come.
  ln -s aborted "$move/decision" 2>/dev/null
  for gate in "$move"/waiting/*; do [ ! -p "$gate" ] || echo go 1<>"$gate"; done
  # Who was to fetch pages for a restore that does not come waits for it for ever.
  for file in "$move"/work/*/pages.pid; do
    if read -r pid 2>/dev/null <"$file" && grep -q "$move/" "/proc/$pid/cmdline" 2>/dev/null; then kill "$pid"; fi
  done
  for link in "$base"/containers/*; do
    case $(readlink "$link") in "$move"/*) rm -f "$link" ;; esac
  done
  if [ -s "$move/veth" ]; then
    read -r veth <"$move/veth"
    tc qdisc del dev "$veth" root 2>/dev/null
  fi
  umount -l "$move" 2>/dev/null
  rm -rf "$move"
done
table=pitcrew_$(printf %s "$moveId" | tr -c 'a-z0-9\n' _)
nft delete table bridge "$table" 2>/dev/null
nft delete table inet "$table" 2>/dev/null
home=$(getent passwd "$sshUser" | cut -d: -f6) door=$home/.ssh/authorized_keys
if grep -q " pitcrew-$moveId\$" "$door" 2>/dev/null; then
  # After a reboot the door is all that is left.
  mkdir -p "$base" && chmod 700 "$base" && exec 9>"$base/door.lock" && flock 9
  # Written into the file as it is: owner, mode and place stay.
  rest=$(grep -v " pitcrew-$moveId\$" "$door"; echo .)
  printf %s "${rest%.}" >"$door"
  flock -u 9
fi
rm -f "$base/door.lock"
rmdir "/var/lib/pitcrew/moves/$moveId" /var/lib/pitcrew/moves 2>/dev/null
rmdir "$base/containers" "$base/moves" "$base" 2>/dev/null
echo clean
