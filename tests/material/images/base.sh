# Debian with apt, one layer: the ground of the server images, so that they share its blob.
debian --variant=apt --architectures="$ARCH" "$SUITE" base.tar
mkdir -m 755 -p extra/dev # mmdebstrap leaves the folder out together with its nodes
tar --append --numeric-owner --owner=0 --group=0 -f base.tar -C extra ./dev
scratch
umoci raw add-layer --image "$LAYOUT:latest" base.tar
configure --config.cmd=/bin/bash --config.env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
publish zstd
