#!/bin/busybox sh
# The nested host's first process: makes /dev/kvm, runs the job that the kernel command line
# names, writes /results to the second disk, switches off.
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs results /results
ip link set lo up

word() { tr ' ' '\n' </proc/cmdline | sed -n "s/^nested\.$1=//p"; }

modprobe kvm-amd npt="$(word npt)"
modprobe tun
# A nested host that is broken ends at once: what it says is on the console. One whose processor
# others have is not broken.
echo 60 >/proc/sys/kernel/watchdog_thresh
echo 1200 >/proc/sys/kernel/hung_task_timeout_secs
echo 1 >/proc/sys/kernel/softlockup_panic
echo 1 >/proc/sys/kernel/panic_on_oops

export HOSTEL_BINARY=/bin/hostel HOSTEL_LINUX=/guest HOSTEL_REQUIRE_KVM=1 HOSTEL_SLOWNESS="$(word slowness)"
stty -F /dev/ttyS0 "$(word tty)"
cd /root
# The terminal is hung up, and what it has not sent is lost, when the leader of its session ends:
# that waits until all has left the serial port.
setsid -c sh -c 'trap : INT; sh "$0"; echo $? >/results/.status; stty cooked' "/jobs/$(word job)" \
    </dev/ttyS0 >/dev/ttyS0 2>&1
tar -C /results -cf /dev/nvme1n1 .
sync
poweroff -f
