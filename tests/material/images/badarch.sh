# builds on: busybox
# Exists only for the architecture that this machine does not have: `latest` as an index, `manifest` without one.
python3 "$HERE/files/multiarch/multiarch.py" "$LAYOUT" "$CACHE/busybox.$FOREIGN" "$FOREIGN"
