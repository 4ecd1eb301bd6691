# SPDX-License-Identifier: MIT
"""Guests with a disk and a network card: data arrives whole, both ways."""
import hashlib

import pytest

from dom0 import listening

MEGABYTES = 50


@pytest.fixture(name="guest", scope="module", params=[1, 2], ids=["1-vcpu", "2-vcpus"])
def _guest(request, dom0):
    with dom0.guest(f"cpu{request.param}", vcpus=request.param) as guest:
        guest.vcpus = request.param
        yield guest


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


def test_disk_both_ways(guest):
    """Domain 0 reads from the volume what the guest wrote, and the reverse. The
    last test of a guest, as it has to stop and start again."""
    dom0 = guest.dom0
    wrote = guest.check(f"head -c {MEGABYTES}M /dev/urandom >/root/data; sync;"
                        " sha256sum </root/data", 100)
    guest.shutdown()
    dom0.check(f"e2fsck -fn {guest.volume}", 60)
    dom0.check(f"mount {guest.volume} /mnt")
    try:
        assert dom0.check("sha256sum </mnt/root/data", 60) == wrote
        # A pattern domain 0 makes, of which this side knows the sum.
        block = hashlib.sha256(b"zelo").hexdigest()
        dom0.check(f"yes {block} | head -c {MEGABYTES}M >/mnt/root/reverse", 60)
        line = (block + "\n").encode()
        size = MEGABYTES << 20
        expected = hashlib.sha256((line * (size // len(line) + 1))[:size]).hexdigest()
    finally:
        dom0.check("umount /mnt", 60)
    guest.create().wait_up()
    assert guest.check("sha256sum </root/reverse", 60).split()[0] == expected
    assert guest.check("sha256sum </root/data", 60) == wrote


def test_two_guests_talk(dom0):
    """Two guests at once, each reaching the other over the bridge."""
    with dom0.guest("left", ip="10.17.0.3") as left, \
         dom0.guest("right", ip="10.17.0.4") as right:
        left.check("ping -q -c 3 -i 0.2 10.17.0.4")
        right.check("ping -q -c 3 -i 0.2 10.17.0.3")
        sent = left.check("head -c 10M /dev/urandom >/tmp/data; sha256sum </tmp/data")
        left.check(listening(7003, "</tmp/data >/dev/null"))
        assert right.check("cat </dev/tcp/10.17.0.3/7003 | sha256sum", 60) == sent
