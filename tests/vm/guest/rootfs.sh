#!/bin/sh
# rootfs.sh FOLDER: the root file system of the tests' containers, one BusyBox under all its names.
set -eu
mkdir -p "$1/bin" "$1/proc" "$1/dev" "$1/tmp" "$1/sys/fs/cgroup" "$1/etc"
cp /bin/busybox "$1/bin/busybox"
for name in $(/bin/busybox --list); do
    if [ "$name" != busybox ]; then ln -s busybox "$1/bin/$name"; fi
done
echo secret >"$1/etc/secret"
touch "$1/script"
