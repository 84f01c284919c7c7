# On the target, in bash, for one container: ends well when it may be restored from what lies ready.
move=${0%/*} name=$1 id=$2 bundle=$3
. "$move/env"
. "$move/lib"
places_of "$bundle" >"$move/waiting/$id.places" && echo "$id $bundle" >"$move/waiting/$name.at" || fail "there is no room to wait in"
wait_for_images "$name" "$id" || exit 1
note "restoring $name"
# CRIU writes down every page that it compares with that of a parent: a third of the time for many processes. Should it fail,
# the next try finds a log to write into.
set -- "$move/images/$name"/core-*.img
[ "$#" -le 8 ] || [ -e "$move/work/$name/restore.log" ] || ln -s /dev/null "$move/work/$name/restore.log"
# Most often that is done already.
apply_files "$name" "$id" "$bundle" || fail "files of $name cannot be put in place"
