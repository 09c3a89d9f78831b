# builds on: base
# nginx, run as root with workers of www-data. Port: env NGINX_PORT (default 8080), address: NGINX_ADDRESS (127.0.0.1).
#   isolazi run --network host -e NGINX_PORT=18080 nginx
from base
open_image
packages nginx-light
install -m 755 "$HERE/files/nginx/entrypoint" bundle/rootfs/usr/local/bin/entrypoint
install -m 644 "$HERE/files/nginx/nginx.conf.in" bundle/rootfs/etc/nginx/nginx.conf.in
mkdir -p bundle/rootfs/var/log/nginx
ln -sf /dev/stdout bundle/rootfs/var/log/nginx/access.log
ln -sf /dev/stderr bundle/rootfs/var/log/nginx/error.log
echo 'hello from nginx' >bundle/rootfs/var/www/html/index.html
close_image
configure --config.entrypoint entrypoint --config.cmd nginx --config.cmd -g --config.cmd 'daemon off;' \
    --config.env NGINX_PORT=8080 --config.env NGINX_ADDRESS=127.0.0.1 \
    --config.exposedports 8080/tcp --config.stopsignal SIGQUIT
publish zstd
