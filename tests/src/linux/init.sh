#!/bin/busybox sh
# First process of a Linux guest: the drivers, the test's script, what the kernel has complained
# about, power off.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for driver in $(cat /drivers); do
    modprobe $driver
done
complaints() {
    echo @dmesg
    dmesg -r | grep '^<[0-4]>'
    echo @end
}
. /script
complaints
poweroff -f
