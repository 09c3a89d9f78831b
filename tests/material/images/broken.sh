# builds on: busybox
# Images that must not run, one tag each; see files/broken/broken.py.
python3 "$HERE/files/broken/broken.py" "$LAYOUT" "$LAYOUTS/busybox"
