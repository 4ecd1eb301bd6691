# SPDX-License-Identifier: MIT
# In domain 0: a disk in memory and a server for the guest that measures (in_guest.sh), and its rows at the end.
set -e
insmod /lab/brd.ko rd_nr=1 rd_size=65536
dd if=/dev/zero of=/dev/ram0 bs=1M count=64 status=none     # all its pages are there
cat /boot/guest-initrd /lab/tools.cpio >/tmp/devices-initrd
iperf3 -s -D >/dev/null
# -F: it waits until the guest is gone, and does nothing meanwhile.
xl create -F /lab/devices.cfg >/tmp/xl 2>&1 </dev/null || { cat /tmp/xl; exit 1; }
log=/var/log/xen/console/guest-devices.log
grep -q "^=bench: done" $log || { tail -n 40 $log; exit 1; }
grep -a ^bench: $log
