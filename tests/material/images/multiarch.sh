# builds on: busybox
# One index for both architectures (and an `unknown/unknown` entry, as build attestations have).
python3 "$HERE/files/multiarch/multiarch.py" "$LAYOUT" "$LAYOUTS/busybox" "$ARCH" "$CACHE/busybox.$FOREIGN" "$FOREIGN"
python3 "$HERE/variants.py" "$LAYOUT" zstd docker
