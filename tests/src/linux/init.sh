#!/bin/busybox sh
# First process of a Linux guest: the virtio drivers, the test's script, what the kernel has
# complained about, power off.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_pci virtio_mmio virtio_blk virtio_console virtio_rng virtio_net \
    virtio_balloon vmw_vsock_virtio_transport; do
    modprobe $module
done
complaints() {
    echo @dmesg
    dmesg -r | grep '^<[0-4]>'
    echo @end
}
. /script
complaints
poweroff -f
