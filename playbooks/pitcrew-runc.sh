#!/bin/sh
# containerd's runc (BinaryName). It is runc itself, unless a pod is being moved to or from this server just now: the
# move brings a script of its own, which then decides about this one call. Without a move nothing is forked.
[ -d /run/pitcrew/moves ] || [ -d /var/lib/pitcrew/moves ] || exec runc "$@"
bundle= before=
for word do
  case $word in
    */* | .* | '') [ "$before" = --bundle ] && bundle=$word ;;
    # A container that a move has marked, by its id.
    *) [ -e "/run/pitcrew/containers/$word/runc" ] && exec sh "/run/pitcrew/containers/$word/runc" "$@" ;;
  esac
  before=$word
done
[ -n "$bundle" ] || exec runc "$@"
# A new container: its pod says which move it belongs to. The name is random and known to nobody else.
move=$(sed -n 's/.*"pitcrew\.dev\/move":"\([a-z0-9-]*\)".*/\1/p' "$bundle/config.json" 2>/dev/null)
[ -n "$move" ] || exec runc "$@"
[ -e "/run/pitcrew/moves/$move/create" ] && exec sh "/run/pitcrew/moves/$move/create" "$@"
[ -e "/var/lib/pitcrew/moves/$move" ] || exec runc "$@"
# This server was rebooted in the middle of that move. The pod may still run where it came from, so it must not begin here.
echo "pitcrew: the move $move of this pod is not over" >&2
exit 1
