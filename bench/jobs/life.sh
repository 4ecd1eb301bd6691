# SPDX-License-Identifier: MIT
# In domain 0: domains are created, are idle, and are destroyed.  The rows are told at the end, so that nothing is
# printed while something is measured.
set -e
rows=/tmp/rows

# work NAME REPEATS COMMAND...: a row, once the work before has left nothing to do: no page to scrub, no timer.
work() { sleep 5; /lab/mark run "$@" >>$rows 2>/tmp/last || { cat /tmp/last; exit 1; }; }
each() { for n in $(seq 20); do xl "$@$n" || return 1; done; }
for n in $(seq 20); do { echo "name = \"t$n\""; cat /lab/tiny.cfg; } >/tmp/t$n; done
export -f each

xl create -q /tmp/t1    # once before it counts
xl destroy t1
work job.idle.domain_0 10 sleep 10
work job.create.tiny 1 xl create -q /tmp/t1
work job.idle.tiny_1 10 sleep 10
# A hypervisor may have left pages to clean for when it is idle.
work job.destroy.tiny 1 bash -c 'xl destroy t1; sleep 1'
work job.create.tiny_20 20 bash -c 'each create -q /tmp/t'
work job.idle.tiny_20 10 sleep 10
work job.destroy.tiny_20 20 bash -c 'each destroy t; sleep 1'

cat /boot/guest-initrd /lab/mark.cpio >/tmp/linux-initrd
truncate -s 64M /tmp/disk
losetup /dev/loop0 /tmp/disk
sleep 5
/lab/mark begin         # the guest's first process ends it
xl create -q /lab/linux.cfg
sleep 20
echo "bench: job.create.linux 1" >>$rows
grep -q "guest up" /var/log/xen/console/guest-linux.log
work job.idle.linux_1 10 sleep 10
work job.destroy.linux 1 bash -c 'xl destroy linux; sleep 1'
cat $rows
