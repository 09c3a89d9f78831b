#!/bin/sh
# build.sh [IMAGE...]: makes the images of images/*.sh from Debian packages, with Debian's tools, into $MATERIAL
# (default target/material); a second run does nothing. Root only: layers own files of many users.
#
#   layouts/<image>/     OCI image layouts: tags `latest` (gzip), `zstd`, and more where images/<image>.sh says so
#   expect/<image>       what umoci unpacks `latest` to, as list.py prints it
#   storage/             the same images as a registry's storage
#   cache/ stamps/       Debian base and work of single images; what is up to date
#
# MATERIAL_MIRROR: another Debian mirror than deb.debian.org.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
MATERIAL=${MATERIAL:-$(cd "$here/../.." && pwd)/target/material}
SUITE=bookworm # the packages' paths and versions are known to the scripts and tests
LAYOUTS=$MATERIAL/layouts
CACHE=$MATERIAL/cache
export MATERIAL SUITE LAYOUTS CACHE
umask 022

# Sorted so that every image comes after those it builds on.
all='base busybox nginx postgres redis python files50k layers multiarch badarch derived broken'

# An image is up to date if its script, its files, the tools and what it builds on are as they were.
fingerprint() {
    {
        cat "$here/images/$1.sh" "$here/common.sh" "$here/layout.py" "$here/variants.py" "$here/list.py"
        if [ -d "$here/files/$1" ]; then find "$here/files/$1" -type f | sort | xargs cat; fi
        for base in $(sed -n 's/^# builds on: //p' "$here/images/$1.sh"); do cat "$MATERIAL/stamps/$base"; done
    } | sha256sum
}

build() {
    stamp=$MATERIAL/stamps/$1
    fingerprint=$(fingerprint "$1")
    if [ "$(cat "$stamp" 2>/dev/null)" = "$fingerprint" ]; then return; fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "sudo $0" >&2
        exit 1
    fi
    mkdir -p "$MATERIAL/stamps" "$MATERIAL/log" "$LAYOUTS" "$CACHE" "$MATERIAL/expect"
    echo "building $1 ..." >&2
    started=$(date +%s)
    rm -rf "$stamp" "${LAYOUTS:?}/$1" "$CACHE/$1.work"
    mkdir "$CACHE/$1.work"
    if ! (cd "$CACHE/$1.work" && NAME=$1 HERE=$here sh -eu -c '. "$HERE/common.sh"; . "$HERE/images/$NAME.sh"') \
        >"$MATERIAL/log/$1" 2>&1; then
        tail -n 20 "$MATERIAL/log/$1" >&2
        echo "error: can't build image \`$1\`: see $MATERIAL/log/$1" >&2
        exit 1
    fi
    rm -rf "$CACHE/$1.work" "$MATERIAL/stamps/storage"
    printf '%s\n' "$fingerprint" >"$stamp"
    echo "built $1 in $(($(date +%s) - started)) s" >&2
}

# Two test runs may build at once. Not root, there is nothing to lock: the first image that is missing says so.
if [ "$(id -u)" -eq 0 ]; then
    mkdir -p "$MATERIAL"
    exec 9>"$MATERIAL/build.lock"
    flock 9
fi

for image in ${*:-$all}; do build "$image"; done

# The storage is made anew beside the old one, so that a registry that serves it sees either.
if [ ! -e "$MATERIAL/stamps/storage" ]; then
    rm -rf "$MATERIAL/storage.new"
    python3 "$here/storage.py" "$MATERIAL/storage.new" "$LAYOUTS"/*
    rm -rf "$MATERIAL/storage.old"
    if [ -d "$MATERIAL/storage" ]; then mv "$MATERIAL/storage" "$MATERIAL/storage.old"; fi
    mv "$MATERIAL/storage.new" "$MATERIAL/storage"
    rm -rf "$MATERIAL/storage.old"
    touch "$MATERIAL/stamps/storage"
fi
