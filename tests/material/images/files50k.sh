# builds on: busybox
# 50,000 small files in 2,000 directories, in one layer upon busybox: what node_modules or a Python tree is like.
from busybox
python3 "$HERE/files/files50k/files.py" tree
tar -C tree --sort=name --numeric-owner --owner=0 --group=0 -cf layer.tar .
umoci raw add-layer --image "$LAYOUT:latest" layer.tar
publish zstd
