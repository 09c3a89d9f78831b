# builds on: busybox
# Busybox with other configurations, one tag each:
#   nouser     User `ghost`, whom /etc/passwd does not know
#   script     Entrypoint is a shell script which prints its arguments, Cmd gives two
#   noshebang  Entrypoint is an executable text without `#!`
#   appuser    User `app`, by name, with supplementary groups; WorkingDir does not exist in the image
#   nocommand  neither Entrypoint nor Cmd
from busybox
tag() { # NAME OPTION...
    new=$1
    shift
    umoci config --image "$LAYOUT:latest" --tag "$new" "$@"
}
tag nouser --config.user ghost
tag appuser --config.user app --config.workingdir /does/not/exist/yet
tag nocommand --clear=config.cmd
mkdir -p scripts/usr/local/bin
printf '#!/bin/sh\necho "entrypoint: $*"\n' >scripts/usr/local/bin/say
printf 'echo no shebang\n' >scripts/usr/local/bin/noshebang
chmod 755 scripts/usr/local/bin/*
tar -C scripts --numeric-owner --owner=0 --group=0 -cf scripts.tar usr
umoci raw add-layer --image "$LAYOUT:latest" --tag script scripts.tar
umoci raw add-layer --image "$LAYOUT:latest" --tag noshebang scripts.tar
umoci config --image "$LAYOUT:script" --config.entrypoint say --config.cmd one --config.cmd 'two words'
umoci config --image "$LAYOUT:noshebang" --config.entrypoint noshebang --clear=config.cmd
publish zstd
