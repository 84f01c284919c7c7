#!/bin/sh
# Stands before the real criu on the target. runc asks it for its version first; the call after that is the restore, with
# everything prepared, and waits here until there is something to restore. Counting wrong would only make it wait earlier.
# The standard streams are the container's own, and runc looks at them meanwhile: only children may have others.
move=${0%/bin/*}
asked=$move/waiting/${PITCREW_GATE#* } asked=${asked%% *}.asked
if [ -e "$asked" ]; then
  bash "$move/gate" $PITCREW_GATE </dev/null >>"$move/log" 2>&1 3>&- 4>&- 5>&- || exit 1
else
  (: >"$asked")
fi
exec "$PITCREW_CRIU" "$@"
