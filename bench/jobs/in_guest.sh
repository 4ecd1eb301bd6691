#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# The first process of a guest: its disk and its network, used through fio and iperf3.  Each row is two runs, a short
# and a long one, after one that does not count: their difference is the work alone, without the program's start.
export PATH=/bin:/usr/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mkdir -p /tmp /dev/shm
while read -r module; do busybox insmod "$module"; done </modules
until [ -b /dev/xvda ]; do busybox usleep 50000; done
busybox ifconfig lo 127.0.0.1 up
busybox ifconfig eth0 10.17.0.2 netmask 255.255.255.0 up

fail() { busybox cat /tmp/last; echo "failed: $1"; busybox poweroff -f; busybox sleep 10; }

# Between two runs: iperf3's server opens its port anew after each, and resets who came before it did.
pause() { busybox usleep 500000; }

# row NAME SHORT LONG COMMAND...: how much it does is put to the end of the command.
row() {
    name=$1 short=$2 long=$3
    shift 3
    "$@$short" >/tmp/last 2>&1 || fail "$name"
    pause
    /lab/mark run "$name.short" "$short" "$@$short" >>/tmp/rows 2>/tmp/last || fail "$name"
    pause
    /lab/mark run "$name.long" "$long" "$@$long" >>/tmp/rows 2>/tmp/last || fail "$name"
    pause
}

# disk NAME KIND SIZE SHORT LONG: so many requests, one after the other.
disk() {
    row "job.disk.$1" "$4" "$5" fio --name=job --filename=/dev/xvda --size=48m --direct=1 --ioengine=psync --thread \
        --gtod_reduce=1 --clocksource=clock_gettime --eta=never --output=/dev/null --rw="$2" --bs="$3" --number_ios=
}

# network NAME [-R]: so many bytes, over TCP: many, as the sizes of windows and bursts settle late.
network() {
    name=$1
    shift
    row "job.network.$name" 67108864 603979776 iperf3 -c 10.17.0.1 -i 0 --logfile /dev/null "$@" -n
}

disk read_4k randread 4k 512 1536
disk write_4k randwrite 4k 512 1536
disk read_1m read 1m 8 24
disk write_1m write 1m 8 24
network out
network in -R
busybox cat /tmp/rows
echo "=bench: done"
busybox sleep 1     # the console's end has it all
busybox poweroff -f
