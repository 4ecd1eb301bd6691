# SPDX-License-Identifier: MIT
"""Guests with a disk and a network card: data arrives whole, both ways."""
import contextlib
import hashlib

import pytest

from dom0 import listening

MEGABYTES = 50


@pytest.fixture(name="guests", scope="module")
def _guests(dom0):
    """Two at once, with one vCPU and with two, each with a second disk: vCPUs -> Guest."""
    with contextlib.ExitStack() as running:
        guests = {}
        for vcpus in (1, 2):
            data = f"/dev/lab/data{vcpus}"
            guests[vcpus] = guest = dom0.guest(f"cpu{vcpus}", vcpus=vcpus, ip=f"10.17.0.1{vcpus}",
                                               more_disks=[f"phy:{data},xvdb,w"])
            guest.vcpus, guest.data = vcpus, data
            guest.prepare()
            dom0.check(f"lvcreate -qq -y -Wn -Zn -L 64M -n data{vcpus} lab")
            running.callback(guest.destroy)
            guest.create()
        for guest in guests.values():
            guest.wait_up()
        yield guests


@pytest.fixture(name="guest", params=[1, 2], ids=["1-vcpu", "2-vcpus"])
def _guest(request, guests):
    return guests[request.param]


def test_has_its_cpus(guest):
    assert int(guest.check("nproc")) == guest.vcpus
    # Each of them works: a computation pinned to every one gives the same.
    sums = guest.check("for c in $(seq 0 $(($(nproc) - 1))); do"
                       " head -c 4000000 /dev/zero | taskset -c $c sha256sum; done").split("\n")
    assert len(set(sums) - {""}) == 1


def test_disk_is_the_volume(guest):
    assert "xvda" in guest.check("findmnt -n -o SOURCE /")
    assert "xen_blkfront" in guest.check("lsmod")


def test_network_both_ways(guest):
    """The guest sends a file, takes it back, and both ends agree on its sum."""
    dom0 = guest.dom0
    dom0.check(f"head -c {MEGABYTES}M /dev/urandom >/tmp/out")
    expected = dom0.check("sha256sum </tmp/out")
    dom0.check(listening(7001, "</tmp/out >/dev/null"))
    got = guest.check("cat </dev/tcp/10.17.0.1/7001 >/tmp/in; sha256sum </tmp/in", 100)
    assert got == expected
    dom0.check(listening(7002, "</dev/null >/tmp/back", "; touch /tmp/back.done"))
    guest.check("cat /tmp/in >/dev/tcp/10.17.0.1/7002", 100)
    dom0.wait_until("[ -e /tmp/back.done ]", 30)
    assert dom0.check("sha256sum </tmp/back; rm -f /tmp/back* /tmp/out") == expected
    guest.check("rm /tmp/in")


def _pattern(word):
    """A shell command that prints so many megabytes, and their sum, found here."""
    line = hashlib.sha256(word.encode()).hexdigest()
    size = MEGABYTES << 20
    data = ((line + "\n").encode() * (size // len(line) + 1))[:size]
    return f"yes {line} | head -c {MEGABYTES}M", hashlib.sha256(data).hexdigest()


def test_disk_both_ways(guest):
    """Domain 0 reads from the volume what the guest wrote, and the reverse."""
    for word, writer, target, reader, source in (("there", guest, "/dev/xvdb", guest.dom0, guest.data),
                                                 ("back", guest.dom0, guest.data, guest, "/dev/xvdb")):
        command, expected = _pattern(word)
        writer.check(f"{command} | dd of={target} bs=1M iflag=fullblock oflag=direct status=none", 100)
        got = reader.check(f"dd if={source} bs=1M count={MEGABYTES} iflag=direct status=none | sha256sum", 100)
        assert got.split()[0] == expected


def test_guests_talk(guests):
    """Each reaches the other over the bridge, and a file comes over whole."""
    left, right = guests.values()
    left.check(f"ping -q -c 3 -i 0.2 {right.ip}")
    right.check(f"ping -q -c 3 -i 0.2 {left.ip}")
    sent = left.check("head -c 10M /dev/urandom >/tmp/data; sha256sum </tmp/data")
    left.check(listening(7003, "</tmp/data >/dev/null"))
    assert right.check(f"cat </dev/tcp/{left.ip}/7003 | sha256sum", 60) == sent


def test_root_is_whole(guest):
    """The last of a guest: what it wrote into its root is in the volume, and the file system is clean."""
    wrote = guest.check("head -c 10M /dev/urandom >/root/data; sha256sum </root/data")
    guest.shutdown()
    guest.dom0.check(f"e2fsck -fn {guest.volume}", 60)
    assert guest.dom0.check(f"mount -r {guest.volume} /mnt; sha256sum </mnt/root/data; umount /mnt") == wrote
