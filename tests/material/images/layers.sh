# builds on: busybox
# Twelve layers upon busybox in which later ones delete, replace and clear what lower ones hold, with hard links, setuid,
# capabilities, sparse files, fifos, long names. files/layers/layers.py says what must be there in the end, and what
# umoci unpacks is held against it. Tags with one layer more: `crosslink`, a hard link to a file of a lower layer;
# `gnusparse`, GNU tar's old sparse format (which umoci, and so the check, does not know).
from busybox
python3 "$HERE/files/layers/layers.py" build "$LAYOUT"
publish zstd
umoci unpack --image "$LAYOUT:latest" bundle
python3 "$HERE/files/layers/layers.py" check bundle/rootfs
