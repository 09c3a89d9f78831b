# BusyBox from Debian's busybox-static, with every applet as a symlink; one layer. User `app` (uid 1000) is in the
# supplementary groups `wheel` and `staff`.
# Also `multiarch` and `badarch` use the other architecture's layout, kept in $CACHE.
busybox() {
    debian --variant=extract --include=busybox-static --architectures="$1" "$SUITE" "$1.tar"
    mkdir "$1"
    tar -C "$1" -xf "$1.tar" ./bin/busybox
    cd "$1"
    mkdir -p etc home root run sbin sys proc dev tmp usr/bin usr/sbin var/tmp
    chmod 1777 tmp var/tmp
    chmod 700 root
    cp "$HERE"/files/busybox/* etc/
    chmod 640 etc/shadow
    cd ..
}
# The applets of the two architectures are the same source; only the native one can be asked.
applets() {
    "$ARCH/bin/busybox" --list-full | while read -r applet; do
        if [ "$applet" != bin/busybox ] && [ ! -e "$1/$applet" ]; then
            mkdir -p "$1/$(dirname "$applet")"
            ln -s /bin/busybox "$1/$applet"
        fi
    done
    install -d -o 1000 -g 1000 -m 755 "$1/home/app"
    tar -C "$1" --sort=name --numeric-owner -cf "$1.layer.tar" .
}

busybox "$ARCH"
busybox "$FOREIGN"
for arch in "$ARCH" "$FOREIGN"; do
    applets "$arch"
    if [ "$arch" = "$FOREIGN" ]; then LAYOUT=$CACHE/busybox.$arch; fi
    rm -rf "$LAYOUT"
    scratch
    umoci raw add-layer --image "$LAYOUT:latest" "$arch.layer.tar"
    configure --architecture "$arch" --config.cmd sh --config.workingdir / \
        --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    umoci gc --layout "$LAYOUT"
done
LAYOUT=$LAYOUTS/$NAME
publish zstd plain docker
