# lib.sh FILE TEST: runs one test. The words that tests are written in; a test is a function, and fails where a command
# fails that is neither a condition nor negated by `fails`.

NAME=$(echo "${2#test_}" | tr _ - | cut -c1-60)
RUNTIME=$(cat runtime)
T=/run/t/$NAME
# What a test may set before `bundle`.
DRIVER=                # --systemd-cgroup
AS=                    # `delegated`, `undelegated` or `bare`: as the ordinary user
CGROUP=/vm/$NAME       # linux.cgroupsPath
RESOURCES={}           # linux.resources
NAMESPACES='pid mount ipc uts cgroup'
PROFILE=               # process.apparmorProfile

# The test's log: what each word did. The runtime doesn't get it.
exec 3>&2

die() {
    echo "FAILED: $*" >&3
    exit 1
}

# same WHAT GOT WANTED
same() {
    if [ "$2" != "$3" ]; then die "$1 is \`$2\`, not \`$3\`"; fi
    echo "$1 is \`$2\`" >&3
}

# has TEXT PART: the text has the part in it.
has() {
    case "$1" in
    *"$2"*) echo "\`$2\` is there" >&3 ;;
    *) die "no \`$2\` in \`$1\`" ;;
    esac
}

# fails COMMAND...: it has to; what it says is in $SAID.
fails() {
    if SAID=$("$@" 2>&1); then die "\`$*\` succeeded: $SAID"; fi
    echo "as it should, it failed: $SAID" >&3
}

# soon COMMAND...: within a minute it succeeds.
soon() {
    echo "waiting for $*" >&3
    for _ in $(seq 600); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    die "\`$*\` does not come true"
}

absent() { [ ! -e "$1" ]; }

# bundle: a bundle in $T/bundle whose payload is the script on stdin.
bundle() {
    mkdir -p "$T/bundle" "$T/state"
    cat >"$T/bundle/script"
    users=
    namespaces=
    for name in $NAMESPACES; do namespaces="$namespaces{\"type\":\"$name\"},"; done
    if [ "$AS" = bare ]; then
        namespaces="$namespaces{\"type\":\"user\"},"
        users='"uidMappings":[{"containerID":0,"hostID":1000,"size":1},{"containerID":1,"hostID":100000,"size":65535}],
            "gidMappings":[{"containerID":0,"hostID":1000,"size":1},{"containerID":1,"hostID":100000,"size":65535}],'
    fi
    capabilities='["CAP_CHOWN","CAP_KILL","CAP_MKNOD"]'
    cat >"$T/bundle/config.json" <<JSON
{
  "ociVersion": "1.0.2",
  "root": {"path": "/run/t/rootfs", "readonly": true},
  "hostname": "vm",
  "process": {
    "args": ["sh", "/script"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0},
    "noNewPrivileges": true, ${PROFILE:+\"apparmorProfile\": \"$PROFILE\",}
    "capabilities": {"bounding": $capabilities, "effective": $capabilities, "permitted": $capabilities}
  },
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]},
    {"destination": "/script", "type": "bind", "source": "$T/bundle/script", "options": ["bind", "ro", "nosuid", "nodev"]}
  ],
  "linux": {
    ${CGROUP:+\"cgroupsPath\": \"$CGROUP\",} $users
    "resources": $RESOURCES, "namespaces": [${namespaces%,}]
  }
}
JSON
    if [ -n "$AS" ]; then chown -R user:user "$T"; fi
}

# rt COMMAND...: the runtime, by the user that the test is about.
rt() {
    echo "$AS $RUNTIME $DRIVER $*" >&3
    $AS $RUNTIME --root "$T/state" $DRIVER "$@" 3>&-
}

# run: the container in the foreground, its output on stdout.
run() { rt run --bundle "$T/bundle" "$NAME"; }

# up: the container in the background; its output is $T/out. It is running, and its script has said `up`.
up() {
    rt run --detach --pid-file "$T/pid" --bundle "$T/bundle" "$NAME" >"$T/out" 2>&1 || die "can't start"
    soon grep -q '^up$' "$T/out"
    PID=$(cat "$T/pid")
    C=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$PID/cgroup")
}

# value FILE: of the running container's cgroup.
value() { cat "$C/$1"; }

status() { rt state "$NAME" | tr -d ' \n' | sed 's/.*"status":"\([a-z]*\)".*/\1/'; }

# property NAME [UNIT]: of the container's scope.
property() { $MANAGER_OF systemctl $USER_MANAGER show --value --property="$1" "${2:-$UNIT}"; }
USER_MANAGER=
MANAGER_OF=
UNIT=

# scope: from here on the container lives in a scope of systemd.
scope() {
    DRIVER=--systemd-cgroup
    UNIT=test-$NAME.scope
    CGROUP=${1:-system.slice}:test:$NAME
}

as_user() {
    setpriv --reuid=1000 --regid=1000 --init-groups --reset-env env XDG_RUNTIME_DIR=/run/user/1000 \
        DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus "$@"
}

# bare COMMAND...: as the ordinary user, in a service of the user's systemd.
bare() { as_user systemd-run --user --pipe --wait --quiet --collect --property=Delegate=yes -- "$@"; }

# In a user namespace as the engines make it: root there, with the user's other ids.
MAPPED='unshare --user --map-root-user --map-auto --mount --'

# delegated COMMAND...: the same in a user namespace of that user.
delegated() { bare $MAPPED "$@"; }

# undelegated COMMAND...: also, but in a cgroup that belongs to the machine's root.
undelegated() { as_user $MAPPED "$@"; }

# Whatever the test left running goes; a test that passed has to have left no cgroup.
tidy_up() {
    code=$?
    set +e
    if [ "$code" -ne 0 ]; then echo "exit code $code"; fi
    if [ "$code" -ne 0 ] && [ -n "$UNIT" ]; then $MANAGER_OF systemctl $USER_MANAGER --no-pager status "$UNIT"; fi
    if [ -d "$T/state/$NAME" ]; then rt delete --force "$NAME"; fi
    left=$(find /sys/fs/cgroup -depth -type d -path "*$NAME*")
    if [ -n "$left" ]; then
        echo "left behind: $left"
        if [ "$code" -eq 0 ]; then code=1; fi
        for cgroup in $left; do
            echo 1 >"$cgroup/cgroup.kill"
            sleep 0.1
            rmdir "$cgroup"
        done
    fi
    if [ "$code" -ne 0 ] && [ -s "$T/out" ]; then
        echo "the container said:"
        cat "$T/out"
    fi
    exit "$code"
}

. "./$1"
mkdir "$T"
trap tidy_up EXIT
"$2"
