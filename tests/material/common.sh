# Words that the image scripts share. Sourced by build.sh with NAME, HERE, LAYOUTS, CACHE, SUITE set; the working folder
# is empty and goes away afterwards.

ARCH=$(dpkg --print-architecture)
if [ "$ARCH" = amd64 ]; then FOREIGN=arm64; else FOREIGN=amd64; fi
LAYOUT=$LAYOUTS/$NAME
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

# debian OPTION... OUTPUT: a Debian tree, without docs and device nodes.
debian() {
    mmdebstrap --quiet --keyring="$KEYRING" --skip=output/dev \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
        "$@" ${MATERIAL_MIRROR:+"$MATERIAL_MIRROR"}
}

# from IMAGE: starts this image as a copy of another (hard links, blobs are never changed).
from() {
    cp -al "$LAYOUTS/$1" "$LAYOUT"
    # index.json is replaced, not changed, by umoci and by layout.py; still it must not be shared.
    cp --remove-destination "$LAYOUTS/$1/index.json" "$LAYOUT/index.json"
    for tag in $(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"] | select(. != "latest")' \
        "$LAYOUT/index.json"); do
        umoci rm --image "$LAYOUT:$tag"
    done
}

# scratch: starts this image without any layer.
scratch() {
    umoci init --layout "$LAYOUT"
    umoci new --image "$LAYOUT:latest"
}

# open_image, close_image: the root file system to change, in bundle/rootfs; what changed becomes a layer.
open_image() { umoci unpack --image "$LAYOUT:latest" bundle; }
close_image() { umoci repack --image "$LAYOUT:latest" bundle; }

# packages NAME...: installs Debian packages into the opened image, in namespaces that end with the installation: no mount
# and no daemon of a package stays.
packages() {
    cp /etc/resolv.conf bundle/rootfs/etc/resolv.conf
    unshare --mount --pid --fork --kill-child --mount-proc=bundle/rootfs/proc sh -eu -c '
        mount --rbind /dev bundle/rootfs/dev
        printf "#!/bin/sh\nexit 101\n" >bundle/rootfs/usr/sbin/policy-rc.d
        chmod 755 bundle/rootfs/usr/sbin/policy-rc.d
        chroot bundle/rootfs apt-get -q update
        chroot bundle/rootfs apt-get -q install -y --no-install-recommends "$@"
        chroot bundle/rootfs apt-get clean
    ' packages "$@"
    rm -rf bundle/rootfs/usr/sbin/policy-rc.d bundle/rootfs/etc/resolv.conf bundle/rootfs/var/lib/apt/lists \
        bundle/rootfs/var/cache/apt bundle/rootfs/var/cache/debconf bundle/rootfs/var/log/*.log \
        bundle/rootfs/var/log/apt bundle/rootfs/var/cache/ldconfig
}

configure() { umoci config --image "$LAYOUT:latest" "$@"; }

# publish VARIANT...: the other tags, the expected tree, and no blob that nothing names.
publish() {
    python3 "$HERE/variants.py" "$LAYOUT" "$@"
    umoci gc --layout "$LAYOUT"
    rm -rf bundle check
    umoci unpack --image "$LAYOUT:latest" check
    python3 "$HERE/list.py" check/rootfs >"$MATERIAL/expect/$NAME"
    rm -rf check
}
