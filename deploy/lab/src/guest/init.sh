#!/bin/busybox sh
# Process 1 of the guest: loads drivers, then executes what comes in at the second serial port (see console.rs).
/bin/busybox mkdir -p /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p "/lib/modules/$(uname -r)" /mnt
mv /modules/* "/lib/modules/$(uname -r)/"
depmod
for module in virtio_pci virtio_net crc32c_generic ext4; do
    modprobe $module
done
ip link set eth0 up

stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo ready >&3
set -o pipefail
while IFS= read -r order <&3; do
    # The kernel's log tells the orders apart.
    echo "order: $order" >/dev/kmsg
    sh -c "$order" 2>&1 </dev/null | while IFS= read -r line || [ -n "$line" ]; do echo "| $line"; done >&3
    echo "= $?" >&3
done
