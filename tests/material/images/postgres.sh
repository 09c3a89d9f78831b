# builds on: base
# PostgreSQL 15. Starts as root, makes an empty $PGDATA (a volume) a database cluster, then runs as user `postgres`.
# Port: env PGPORT (default 5432); listens on 127.0.0.1. Password of user `postgres`: env POSTGRES_PASSWORD; without
# it local connections are trusted. Arguments after the image's name go to the server: `postgres -c fsync=off`.
#   isolazi run --network host -e PGPORT=15432 -e POSTGRES_PASSWORD=secret postgres
from base
open_image
# Debian would make a cluster while it installs; the entrypoint makes one in the volume.
mkdir -p bundle/rootfs/etc/postgresql-common
echo 'create_main_cluster = false' >bundle/rootfs/etc/postgresql-common/createcluster.conf
# Just-in-time compilation is an optional library of 100 MB (LLVM) that the package depends on: it is taken out again.
packages postgresql-15
rm -rf bundle/rootfs/usr/lib/*/libLLVM* bundle/rootfs/usr/lib/llvm* bundle/rootfs/usr/lib/*/libz3* \
    bundle/rootfs/usr/lib/postgresql/15/lib/llvmjit* bundle/rootfs/usr/lib/postgresql/15/lib/bitcode
install -m 755 "$HERE/files/postgres/entrypoint" bundle/rootfs/usr/local/bin/entrypoint
install -d -m 700 bundle/rootfs/var/lib/postgresql/data
chroot bundle/rootfs chown postgres:postgres /var/lib/postgresql/data
close_image
configure --config.entrypoint entrypoint --config.cmd postgres \
    --config.env PATH=/usr/lib/postgresql/15/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    --config.env PGDATA=/var/lib/postgresql/data --config.env PGPORT=5432 --config.env LANG=C.UTF-8 \
    --config.volume /var/lib/postgresql/data --config.exposedports 5432/tcp --config.stopsignal SIGINT
publish zstd
