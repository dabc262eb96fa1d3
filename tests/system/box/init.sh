#!/bin/sh
# The first process of a box: makes a root of its own over the computer's, and becomes systemd.
#
# usage (inside fresh mount, pid, uts, ipc, cgroup and net namespaces):
#   init.sh FOLDER HIERARCHY NAME LOGIND DISK [SOURCE TARGET]...
# FOLDER: an empty directory. HIERARCHY: unified, or hybrid. LOGIND: yes, or no. DISK: where changes are kept,
# not on the file system of the root, or "memory". Each SOURCE of the computer appears read-only as TARGET.
# Nothing is written outside of DISK and FOLDER, and that is a file system in memory.
set -eu
folder=$1 hierarchy=$2 name=$3 logind=$4 disk=$5
shift 5
root=$folder/m/root

mount --make-rprivate /
mkdir -p "$folder/m"
mount -t tmpfs -o mode=755,size=4g box "$folder/m"       # an upper directory may not lie inside the lower one
[ "$disk" = memory ] && disk=$folder/m
mkdir -p "$disk/upper" "$disk/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$disk/upper,workdir=$disk/work" "$root"

mount -t proc -o nosuid,noexec,nodev proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"           # or a newer systemd raises limits of the computer
mount -o remount,bind,ro "$root/proc/sys"
cat /proc/sys/kernel/random/uuid >"$folder/m/boot_id"     # each boot is one of its own
mount --bind "$folder/m/boot_id" "$root/proc/sys/kernel/random/boot_id"
mount -t sysfs -o nosuid,noexec,nodev,ro sysfs "$root/sys"
if [ "$hierarchy" = hybrid ]; then
  mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
  mount -t cgroup2 -o nosuid,noexec,nodev cgroup2 "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o nosuid,noexec,nodev,none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  for controller in memory pids cpu; do
    mkdir "$root/sys/fs/cgroup/$controller"
    mount -t cgroup -o "nosuid,noexec,nodev,$controller" cgroup "$root/sys/fs/cgroup/$controller"
  done
else
  mount -t cgroup2 -o nosuid,noexec,nodev cgroup2 "$root/sys/fs/cgroup"
fi

mount -t tmpfs -o mode=755,nosuid,strictatime tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"; ln -s fd/1 "$root/dev/stdout"; ln -s fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mkdir -p "$root/run/systemd" "$root/var/log/journal"

while [ $# -gt 0 ]; do
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
  shift 2
done

units=$root/etc/systemd/system
if [ ! -e "$disk/upper/etc/hostname" ]; then             # not when it is booted again
  rm -rf "$units"/*.wants "$units"/*.requires            # what the computer starts for itself: databases, timers
fi
masked="systemd-udevd.service systemd-timesyncd.service systemd-networkd-wait-online.service
  systemd-resolved.service systemd-modules-load.service systemd-sysctl.service systemd-remount-fs.service
  systemd-journald-audit.socket getty.target console-getty.service getty@.service e2scrub_reap.service
  systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-firstboot.service
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount
  sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount"
[ "$logind" = yes ] || masked="$masked systemd-logind.service"
for unit in $masked; do
  ln -sf /dev/null "$units/$unit"                        # journald's audit socket would switch on the kernel's audit
done
: >"$root/etc/fstab"
echo box >"$root/etc/hostname"
hostname box

cd "$root"
mkdir run/old
pivot_root . run/old
umount -l /run/old
rmdir /run/old
mount --make-rshared /                                   # else LoadCredential= gives units with User= an empty folder
# Without `container` systemd takes the computer for its own, and shuts it down.
exec env -i "container=$name" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  LANG=C.UTF-8 TERM=dumb /lib/systemd/systemd --system --unit=multi-user.target </dev/null
