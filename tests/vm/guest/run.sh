#!/bin/sh
# Runs inside the virtual machine: every function test_* of *.test, each in a shell of its own, and counts.
# `runtime` holds the OCI runtime's command line, `only` parts of the names of the tests to run.
set -u
LIMIT=300 # seconds a test may take: usual are two to four, but the machine may be one of many on a busy one
cd "$(dirname "$0")" || exit 1
mkdir /run/t
chmod 755 /run/t
busybox insmod /lib/modules/overlay.ko
./rootfs.sh /run/t/rootfs >/run/t/setup.log 2>&1 || { cat /run/t/setup.log; exit 1; }

wanted() {
    if [ ! -s only ]; then return 0; fi
    while read -r part || [ -n "$part" ]; do
        case "$1" in *"$part"*) return 0 ;; esac
    done <only
    return 1
}

passed=0 failed=0
for file in *.test; do
    for test in $(sed -n 's/^\(test_[a-z0-9_]*\)() .*/\1/p' "$file"); do
        if ! wanted "$test"; then continue; fi
        began=$(cut -d' ' -f1 /proc/uptime)
        if timeout --kill-after=5 "$LIMIT" sh -eu lib.sh "$file" "$test" >"/run/t/$test.log" 2>&1 </dev/null; then
            passed=$((passed + 1)) word=ok
        else
            failed=$((failed + 1)) word=FAILED
        fi
        echo "$test $began $(cut -d' ' -f1 /proc/uptime)" | awk -v word="$word" '{ printf "%s ... %s (%.1f s)\n", $1, word, $3 - $2 }'
        if [ "$word" = FAILED ]; then sed 's/^/    /' "/run/t/$test.log"; fi
    done
done
echo "$passed passed, $failed failed"
