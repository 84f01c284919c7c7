#!/bin/sh
# Stands before the real criu while runc asks it for its version and features, which takes longer than the freeze should.
# The call that dumps is known by its number; it waits until the pod is stopped and its network locked. Counting wrong would
# cost time, or the move, never a byte: without `locked` nothing is sent.
move=${0%/bin/*}
read -r left <"$move/checks.$PITCREW_NAME" || left=0
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) >"$move/checks.$PITCREW_NAME"
  exec "$PITCREW_CRIU" "$@"
fi
if [ ! -e "$move/locked" ]; then
  echo here >"$move/gate"
  read -r answer <"$move/go.$PITCREW_NAME"
  [ "$answer" = go ] || exit 1
fi
# The network is shut already, for all of the pod at once, so CRIU need not shut it for each connection; the restore goes by
# what is written down here.
CRIU_CONFIG_FILE=$move/criu.conf exec "$PITCREW_CRIU" "$@"
