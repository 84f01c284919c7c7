# On the target, before anything is changed for the pod: room for the images in memory, the door for the one-move key, and
# silence about the address until it is this server's.
umask 077
base=/run/pitcrew move=$base/moves/$moveId
stop() {
  echo "blocked $*"
  exit 0
}
# Outlives a reboot: until the move is over the new pod must not begin here without its memory.
mark=/var/lib/pitcrew/moves/$moveId
mkdir -p "$mark" && { sync -f "$mark" 2>/dev/null || sync; } || exit 1
mkdir -p "$base/containers" "$base/moves" && chmod 700 "$base" && mkdir -p "$move" || exit 1
if ! mountpoint -q "$move"; then
  available=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
  [ "$available" -gt "$needKib" ] || stop "the target has $available KiB of memory left, and the move needs $needKib KiB"
  mount -t tmpfs -o "mode=0700,size=${roomKib}k,noswap" pitcrew "$move" 2>/dev/null ||
    mount -t tmpfs -o "mode=0700,size=${roomKib}k" pitcrew "$move" || exit 1
fi
cd "$move" && mkdir -p images files volumes waiting restored failed pages work bin || exit 1
[ -p bulk ] || mkfifo bulk || exit 1
