# builds on: base
# Redis, as user `redis` from the start. The image's command is the server's arguments, so other arguments replace them:
#   isolazi run --network host redis --bind 127.0.0.1 --port 16379
from base
open_image
packages redis-server
install -d -m 755 bundle/rootfs/data
chroot bundle/rootfs chown redis:redis /data
close_image
configure --config.entrypoint redis-server --config.cmd --bind --config.cmd 127.0.0.1 --config.cmd --port \
    --config.cmd 6379 --config.user redis --config.workingdir /data --config.volume /data \
    --config.exposedports 6379/tcp
publish zstd
