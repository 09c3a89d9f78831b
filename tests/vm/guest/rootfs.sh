#!/bin/sh
# rootfs.sh FOLDER: the root file system of the tests' containers, one BusyBox under all its names.
set -eu
mkdir -p "$1/bin" "$1/proc" "$1/dev" "$1/tmp" "$1/sys/fs/cgroup" "$1/etc"
cp /bin/busybox "$1/bin/busybox"
# Hard links, by one process.
"$1/bin/busybox" --install "$1/bin"
echo secret >"$1/etc/secret"
touch "$1/script"
