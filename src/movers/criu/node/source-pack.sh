#!/bin/bash
# On the source, while the pod stands still: what its containers wrote beside their memory. Files of a container's own layer
# lie in the upper folder of overlayfs; other snapshotters have everything changed since the container was made.
move=$1
umask 077
cd "$move" || exit 1

pack_layer() { # NAME BUNDLE
  local upper
  upper=$(sed -n "s#^[^ ]* $2/rootfs overlay .*upperdir=\([^, ]*\).*#\1#p" /proc/mounts)
  if [ -z "$upper" ]; then
    (cd "$2/rootfs" && find . -xdev -mindepth 1 -cnewer "$2/config.json" ! -type d ! -type s -print0 |
      tar --numeric-owner --xattrs --null --no-recursion -T - -cf "$move/files.$1")
    return
  fi
  # A file that was deleted is a device there.
  find "$upper" -mindepth 1 -type c -printf '%P\0' >"gone.$1"
  tar --numeric-owner --xattrs --null --exclude-from="gone.$1" -C "$upper" -cf "files.$1" .
}

pack() {
  local name bundle volume path
  while read -r name _ _ _ bundle; do pack_layer "$name" "$bundle" || return 1; done <entries
  while read -r volume path; do tar --numeric-owner --xattrs -C "$path" -cf "volume.$volume" . || return 1; done <volumes
}

if pack; then true >packed; else true >unpacked; fi
