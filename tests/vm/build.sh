#!/bin/sh
# build.sh: makes the tests' virtual machine from Debian packages, in $MATERIAL/vm (default target/material/vm); a second
# run does nothing. Root only: the root file system has files of many users.
#
#   vmlinux     Debian's cloud kernel: cgroup v2 with every controller, AppArmor, user namespaces
#   root.img    a disk with one partition, known by its number; ext4: systemd as pid 1, D-Bus, logind, AppArmor, and what `root/` adds; never written by a run
#   stamp       what both were made from
#
# MATERIAL_MIRROR: another Debian mirror than deb.debian.org. VM_PACKAGES: more packages for the machine, by commas.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
MATERIAL=${MATERIAL:-$(cd "$here/../.." && pwd)/target/material}
VM=$MATERIAL/vm
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# The first whose kernel has virtio's and NVMe's drivers built in, so that no initrd is needed.
KERNEL=linux-image-6.12-cloud-amd64
PACKAGES=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,apparmor,uidmap,busybox-static,procps,util-linux
PACKAGES=$PACKAGES${VM_PACKAGES:+,$VM_PACKAGES}
export KERNEL
umask 022

fingerprint=$({
    echo "$PACKAGES"
    cat "$here/build.sh" "$here/vmlinux.py" "$here/partition.py"
    cd "$here/root" && find . -type f -perm -u+x -print | sort && find . -type f | sort | xargs cat
} | sha256sum)
if [ "$(cat "$VM/stamp" 2>/dev/null)" = "$fingerprint" ]; then exit 0; fi
if [ "$(id -u)" -ne 0 ]; then
    echo "sudo $0" >&2
    exit 1
fi

mkdir -p "$VM"
# Two test runs may build at once.
exec 9>"$VM/lock"
flock 9
if [ "$(cat "$VM/stamp" 2>/dev/null)" = "$fingerprint" ]; then exit 0; fi
echo 'building the virtual machine ...' >&2
started=$(date +%s)
rm -rf "$VM/stamp" "$VM/work"
mkdir "$VM/work"
cd "$VM/work"

# In the new system's folder, by its own package lists: the kernel of the day, unpacked beside the system, because a
# machine that needs no initrd needs no package that makes one.
cat >kernel.sh <<'HOOK'
set -eu
cd "$VM/work"
package=$(APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-cache depends "$KERNEL" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download -q -o APT::Sandbox::User=root "$package"
HOOK
cat >system.sh <<'HOOK'
set -eu
cp -R "$HERE/root/." "$1"
# The user of the rootless tests; `linger` starts its manager at boot, as a login would.
chroot "$1" useradd --uid 1000 --create-home --shell /bin/sh user
mkdir -p "$1/var/lib/systemd/linger"
touch "$1/var/lib/systemd/linger/user"
# No disk to write to, no line to listen on, no device to wait for: only what tests look at is started.
chroot "$1" systemctl mask --quiet \
    systemd-udevd.service systemd-udev-trigger.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
    systemd-journal-flush.service systemd-random-seed.service systemd-timesyncd.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-binfmt.service systemd-modules-load.service systemd-sysusers.service \
    systemd-journal-catalog-update.service systemd-pstore.service systemd-machine-id-commit.service \
    systemd-remount-fs.service systemd-hwdb-update.service systemd-update-done.service systemd-firstboot.service \
    modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service \
    modprobe@dm_mod.service modprobe@loop.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount proc-sys-fs-binfmt_misc.automount getty.target serial-getty@.service console-getty.service \
    getty@.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer systemd-tmpfiles-clean.timer systemd-ask-password-console.path \
    systemd-ask-password-wall.path systemd-initctl.socket
# Generators make units of files that this machine hasn't.
for kind in system user; do
    mkdir -p "$1/etc/systemd/$kind-generators"
    for generator in "$1/usr/lib/systemd/$kind-generators"/*; do
        if [ -e "$generator" ]; then ln -s /dev/null "$1/etc/systemd/$kind-generators/${generator##*/}"; fi
    done
done
chroot "$1" systemctl set-default --quiet multi-user.target
chroot "$1" systemctl enable --quiet isolazi-tests.service
: >"$1/etc/fstab"
echo vm >"$1/etc/hostname"
# A known machine id: otherwise systemd takes each boot for the first and presets every unit.
echo 0123456789abcdef0123456789abcdef >"$1/etc/machine-id"
rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/usr/share/doc
HOOK
export VM HERE="$here" DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
if ! mmdebstrap --quiet --variant=minbase --keyring="$KEYRING" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --include="$PACKAGES" --customize-hook='sh kernel.sh' --customize-hook='sh system.sh "$1"' \
    bookworm root ${MATERIAL_MIRROR:+"$MATERIAL_MIRROR"} >log 2>&1; then
    tail -n 20 log >&2
    echo "error: can't build the virtual machine: see $VM/work/log" >&2
    exit 1
fi

dpkg-deb -x linux-image-*.deb kernel
python3 -B "$here/vmlinux.py" kernel/boot/vmlinuz-* vmlinux
# The one module that tests need; no depmod, it depends on none.
mkdir -p root/lib/modules
xz -dc kernel/lib/modules/*/kernel/fs/overlayfs/overlay.ko.xz >root/lib/modules/overlay.ko
# The kernel finds the disk's namespaces side by side, and calls first what it finds first: the root is known by a number
# in its partition table (a master boot record), not by a name.
truncate -s 401M root.img
mke2fs -q -F -t ext4 -O ^has_journal,^resize_inode -m 0 -E root_owner=0:0,lazy_itable_init=1,offset=1048576 -d root \
    root.img 400M
python3 -B "$here/partition.py" root.img

mv vmlinux root.img "$VM"
cd "$VM"
rm -rf work
printf '%s\n' "$fingerprint" >stamp
echo "built the virtual machine in $(($(date +%s) - started)) s" >&2
