# builds on: base
# Python 3 with a small HTTP server that answers any path with JSON about its process. User 1000:1000 by number, no
# entrypoint, a working folder, a signal of its own. Port: env PORT (default 8000) or the first argument of server.py.
#   isolazi run --network host -e PORT=18000 python
#   isolazi run -i python python3 -c 'print(1)'
from base
open_image
packages python3
install -d bundle/rootfs/srv
install -m 644 "$HERE/files/python/server.py" bundle/rootfs/srv/server.py
chroot bundle/rootfs useradd --uid 1000 --create-home app
close_image
configure --config.cmd python3 --config.cmd server.py --config.user 1000:1000 --config.workingdir /srv \
    --config.env PYTHONUNBUFFERED=1 --config.env PORT=8000 --config.exposedports 8000/tcp --config.stopsignal SIGINT
publish zstd
