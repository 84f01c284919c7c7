# On the target, for one container: ends well when it may be restored from what lies ready.
move=${0%/*} name=$1 id=$2 bundle=$3
. "$move/env"
. "$move/lib"
wait_for_images "$name" "$id" || exit 1
note "restoring $name"
apply_files "$name" "$bundle" || fail "files of $name cannot be put in place"
