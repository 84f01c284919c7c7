#!/bin/sh
# Stands before the real criu while runc asks it for its version and features, which takes longer than the freeze should.
# The call that dumps is known by its number; only then is the pod stopped and its network locked. Counting wrong would
# cost time, or the move, never a byte: without `locked` nothing is sent.
move=${0%/bin/*}
read -r left <"$move/checks" || left=0
if [ "$left" -gt 0 ]; then
  echo $((left - 1)) >"$move/checks"
  exec "$PITCREW_CRIU" "$@"
fi
if [ ! -e "$move/locked" ]; then
  . "$move/env"
  . "$move/lib"
  # The address goes over to the target first, where packets are kept; only then is there nothing to lose by stopping.
  if [ -n "$keepsAddress" ]; then
    echo here >"$move/gate"
    read -r answer <"$move/go"
    [ "$answer" = go ] || exit 1
  fi
  stop_pod || exit 1
  # Beside the dump: nothing changes any more. Not as a child of what becomes CRIU, which waits for its own only.
  ( bash "$move/pack" "$move" </dev/null >>"$move/log" 2>&1 9>&- & )
fi
# The network is shut already, for all of the pod at once, so CRIU need not shut it for each connection; the restore goes by
# what is written down here.
CRIU_CONFIG_FILE=$move/criu.conf exec "$PITCREW_CRIU" "$@"
