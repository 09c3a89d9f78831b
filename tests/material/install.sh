#!/bin/sh
# install.sh [LIST]...: installs what the tests need: the Debian packages of packages.txt, or of the lists that are named,
# and the ordinary user `isolazi-test`.
# Changes nothing when all is there; when not root, says the one line to run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
user=isolazi-test

missing=
if [ $# -eq 0 ]; then set -- "$here/packages.txt"; fi
for package in $(sed 's/#.*//' "$@"); do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
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
    apt='apt-get -q -o DPkg::Lock::Timeout=600'
    # shellcheck disable=SC2086 # lists of words
    $apt install -y --no-install-recommends $missing || { $apt update && $apt install -y --no-install-recommends $missing; }
    # Debian starts the packaged registry on port 5000; the tests start their own.
    case "$missing" in
    *docker-registry*) if [ -d /run/systemd/system ]; then systemctl disable --now docker-registry; fi ;;
    esac
fi

if ! id "$user" >/dev/null 2>&1; then useradd --create-home --shell /bin/sh "$user"; fi
# The first 65536 ids that no line of the file has taken.
next_free() { awk -F: -v n=100000 '$2 + $3 > n { n = $2 + $3 } END { print n }' "$1"; }
touch /etc/subuid /etc/subgid
if ! grep -q "^$user:" /etc/subuid; then echo "$user:$(next_free /etc/subuid):65536" >>/etc/subuid; fi
if ! grep -q "^$user:" /etc/subgid; then echo "$user:$(next_free /etc/subgid):65536" >>/etc/subgid; fi
