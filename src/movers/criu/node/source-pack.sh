#!/bin/bash
# On the source, while the pod stands still: what its containers wrote beside their memory. With a NAME only what belongs to
# that container, all of it.
move=$1
. "$move/files"
umask 077
cd "$move" || exit 1
shopt -s dotglob nullglob

pack() { # NAME
  local kind name folder seen lowers
  while read -r kind name folder seen lowers; do
    if [ -n "$1" ]; then
      if [ "$kind" = volume ] || [ "$name" != "$1" ]; then continue; fi
      rm -f "first.$kind.$name".*
    fi
    # Everybody finds the same folder there when nothing is in it.
    [ "$name" != dev-shm ] || [ -n "$(echo "$folder"/*)" ] || continue
    pack_folder "$kind" "$name" "$folder" "$seen" "$lowers" || return 1
  done <folders
}

# Started before the freeze; a line says when.
read -r word && [ "$word" = go ] || exit 1
pack "${2-}"
