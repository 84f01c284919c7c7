#!/bin/bash
# On the source, while the pod stands still: what its containers wrote beside their memory. Files of a container's own layer
# lie in the upper folder of overlayfs; other snapshotters have everything changed since the container was made.
move=$1
umask 077
cd "$move" || exit 1
shopt -s dotglob nullglob

# Nobody here changes a file any more; that the kernel noted something about one is no fault.
archive() { # OPTION...
  tar --numeric-owner --xattrs "$@" || [ $? = 1 ]
}

pack_layer() { # NAME BUNDLE
  local upper
  upper=$(sed -n "s#^[^ ]* $2/rootfs overlay .*upperdir=\([^, ]*\).*#\1#p" /proc/mounts)
  if [ -z "$upper" ]; then
    (cd "$2/rootfs" && find . -xdev -mindepth 1 -cnewer "$2/config.json" ! -type d ! -type s -print0 |
      archive --null --no-recursion -T - -cf "$move/out/files/$1.tar")
    return
  fi
  # A file that was deleted is a device there.
  find "$upper" -mindepth 1 -type c -printf '%P\0' >"out/files/$1.gone"
  archive --null --exclude-from="out/files/$1.gone" -C "$upper" -cf "out/files/$1.tar" .
}

pack() {
  local name bundle volume path
  while read -r name _ _ _ bundle; do pack_layer "$name" "$bundle" || return 1; done <entries
  while read -r volume path; do
    # Everybody finds the same folder there when nothing is in it.
    [ "$volume" != dev-shm ] || [ -n "$(echo "$path"/*)" ] || continue
    archive -C "$path" -cf "out/volumes/$volume.tar" . || return 1
  done <volumes
}

# Started before the freeze; a line says when.
read -r word && [ "$word" = go ] || exit 1
pack
