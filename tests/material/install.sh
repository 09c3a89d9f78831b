#!/bin/sh
# install.sh [LIST]...: installs what the tests need: the Debian packages of packages.txt, or of the lists that are named,
# and the ordinary user `isolazi-test`.
# Changes nothing when all is there; when not root, says the one line to run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
user=isolazi-test

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
missing=
if [ $# -eq 0 ]; then set -- "$here/packages.txt"; fi
for choice in $(sed 's/#.*//' "$@"); do
    first=${choice%%|*}
    # The second is somebody else's package of the same programs; installing the first would remove it.
    installed "$first" || installed "${choice#*|}" || missing="$missing $first"
done
# Rootless tests run as this user; a range of 65536 is what `adduser` gives on Debian.
has_user() { id "$user" && grep -q "^$user:" /etc/subuid && grep -q "^$user:" /etc/subgid; } >/dev/null 2>&1

if [ -z "$missing" ] && has_user; then exit 0; fi
if [ "$(id -u)" -ne 0 ]; then
    echo "sudo $here/install.sh $*"
    exit 1
fi

if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    # Debian starts what it installs: a registry on port 5000, a Docker with bridge and firewall rules. The tests start
    # their own, so nothing is started now (invoke-rc.d(8) asks this script), and nothing at the next boot.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    # Rather fail than take away what somebody uses.
    apt='apt-get -q -o DPkg::Lock::Timeout=600'
    install="$apt install -y --no-install-recommends --no-remove"
    # shellcheck disable=SC2086 # lists of words
    $install $missing || { $apt update && $install $missing; }
    if [ -d /run/systemd/system ]; then
        for package in $missing; do
            case "$package" in
            docker-registry) services=docker-registry.service ;;
            docker.io) services='docker.socket docker.service' ;;
            containerd) services=containerd.service ;;
            podman)
                services='podman.socket podman.service podman-restart.service'
                services="$services podman-auto-update.service podman-auto-update.timer"
                ;;
            *) continue ;;
            esac
            for service in $services; do
                # Not every release has all of them.
                if systemctl cat "$service" >/dev/null 2>&1; then systemctl disable --now "$service"; fi
            done
        done
    fi
fi

if ! id "$user" >/dev/null 2>&1; then useradd --create-home --shell /bin/sh "$user"; fi
# The first 65536 ids that no line of the file has taken.
next_free() { awk -F: -v n=100000 '$2 + $3 > n { n = $2 + $3 } END { print n }' "$1"; }
touch /etc/subuid /etc/subgid
if ! grep -q "^$user:" /etc/subuid; then echo "$user:$(next_free /etc/subuid):65536" >>/etc/subuid; fi
if ! grep -q "^$user:" /etc/subgid; then echo "$user:$(next_free /etc/subgid):65536" >>/etc/subgid; fi
