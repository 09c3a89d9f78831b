#!/bin/sh
# qemu.sh ARGUMENT...: becomes qemu-system-x86_64: the machine's own, or else Debian's, unpacked once below $MATERIAL/vm
# with the libraries that it was built with.
#
# It is not installed: a qemu-utils from another release, which many machines have, would have to go for it.
# MATERIAL_MIRROR: another Debian mirror than deb.debian.org.
set -eu
if command -v qemu-system-x86_64 >/dev/null; then exec qemu-system-x86_64 "$@"; fi
here=$(cd "$(dirname "$0")" && pwd)
tree=${MATERIAL:-$here/../../target/material}/vm/qemu

if [ ! -d "$tree" ]; then
    echo 'fetching qemu ...' >&2
    rm -rf "$tree.new"
    if ! mmdebstrap --quiet --variant=extract --keyring=/usr/share/keyrings/debian-archive-keyring.gpg --skip=output/dev \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --include=qemu-system-x86 \
        bookworm "$tree.new" ${MATERIAL_MIRROR:+"$MATERIAL_MIRROR"} >"$tree.log" 2>&1; then
        tail -n 20 "$tree.log" >&2
        echo "error: can't fetch qemu: see $tree.log" >&2
        exit 1
    fi
    mv "$tree.new" "$tree"
fi
if [ $# -eq 0 ]; then exit 0; fi
for loader in "$tree"/lib/*-linux-gnu/ld-linux-*.so.*; do triplet=$(basename "${loader%/*}"); done
export QEMU_MODULE_DIR="$tree/usr/lib/$triplet/qemu"
exec "$loader" --library-path "$tree/lib/$triplet:$tree/usr/lib/$triplet" "$tree/usr/bin/qemu-system-x86_64" -L "$tree/usr/share/qemu" \
    -L "$tree/usr/share/seabios" "$@"
