# SPDX-License-Identifier: MIT
"""Disks and network cards of every kind a guest may have, there from its start
or attached and detached while it runs; and configurations that cannot work."""
import re

import pytest

from left_over import Left

IMAGES = "/root/images"
ROOT_OVER_NBD = "/dev/nbd0"
MAC = {1: "00:16:3e:00:00:77", 2: "00:16:3e:00:00:88"}


@pytest.fixture(name="images", scope="module")
def _images(dom0):
    """A guest's root served by nbd-server, a raw file, and a qcow2 on top of one."""
    dom0.check(f"mkdir -p {IMAGES} && cd {IMAGES} && cp --sparse=always {dom0.disk('root')} root.img"
               " && truncate -s 64M raw.img base.img"
               " && qemu-img create -q -f qcow2 -F raw -b $PWD/base.img over.qcow2", 90)
    dom0.check(f"printf '[generic]\\n[root]\\nexportname = {IMAGES}/root.img\\n' >/tmp/nbd.conf;"
               " modprobe nbd; nbd-server -C /tmp/nbd.conf;"
               f" until nbd-client -N root 127.0.0.1 {ROOT_OVER_NBD}; do sleep 0.2; done", 60)
    dom0.check("/lab-volume spare", 90)
    yield dom0
    dom0.run(f"nbd-client -d {ROOT_OVER_NBD}; pkill nbd-server")


@pytest.fixture(name="guest", scope="module")
def _guest(images):
    """Its root lies on the network block device; it has a file and a qcow2 image
    besides, and two cards."""
    guest = images.guest("many", disk=False, vif=False, more_disks=[
        f"phy:{ROOT_OVER_NBD},xvda,w", f"file:{IMAGES}/raw.img,xvdb,w",
        f"format=qcow2,vdev=xvdc,access=rw,target={IMAGES}/over.qcow2"
    ], settings=f'vif = [ "bridge=xenbr0", "bridge=xenbr0,mac={MAC[1]}" ]')
    with guest:
        yield guest


def _rows(text):
    """The rows of a table of xl's, without its head."""
    return [line.split() for line in text.splitlines()[1:]]


def _disks(guest):
    return set(re.findall(r"^(xvd\w)", guest.check("lsblk -n -d -o NAME"), re.M))


def _write_and_read(guest, disk, megabytes):
    """Fill the start of a disk, past all caches, the backend's too; it reads back the same. The sum."""
    sums = guest.check(
        f"head -c {megabytes}M /dev/urandom >/tmp/data; sha256sum </tmp/data;"
        f" dd if=/tmp/data of=/dev/{disk} bs=1M oflag=direct conv=fsync status=none; rm /tmp/data;"
        f" dd if=/dev/{disk} bs=1M count={megabytes} iflag=direct status=none | sha256sum", 90).splitlines()
    assert sums[0] == sums[1]
    return sums[0] + "\n"


def _wait(guest, condition):
    guest.check(f"until {condition}; do sleep 0.2; done", 30)


def test_lists(dom0, guest):
    """`xl block-list` and `network-list` show what the guest has, connected (state 4)."""
    disks = _rows(dom0.check(f"xl block-list {guest.name}"))
    assert len(disks) == 3 and {row[3] for row in disks} == {"4"}, disks
    assert [row[-1].split("/")[-3] for row in disks] == ["vbd", "vbd", "qdisk"]
    cards = _rows(dom0.check(f"xl network-list {guest.name}"))
    assert len(cards) == 2 and {row[4] for row in cards} == {"4"}, cards
    assert cards[1][2] == MAC[1]
    assert _disks(guest) == {"xvda", "xvdb", "xvdc"}
    assert MAC[1] in guest.check("cat /sys/class/net/eth1/address")


def test_root_over_nbd(guest):
    """The guest runs from it; what it writes is on the server."""
    assert "xvda" in guest.check("findmnt -n -o SOURCE /")
    guest.check("head -c 20M /dev/urandom >/root/data; sync; echo 3 >/proc/sys/vm/drop_caches")
    first, second = (guest.check("sha256sum </root/data") for _ in range(2))
    assert first == second


@pytest.mark.parametrize("disk, read", [
    ("xvdb", f"cat {IMAGES}/raw.img"),
    ("xvdc", f"qemu-img convert -U -O raw {IMAGES}/over.qcow2 /tmp/raw && cat /tmp/raw")])
def test_file_disks(dom0, guest, disk, read):
    """What the guest writes is in the file, and reads back the same."""
    wrote = _write_and_read(guest, disk, 32)
    dom0.check("sync")
    assert dom0.check(f"{{ {read}; }} | head -c 32M | sha256sum", 60) == wrote


def test_second_card(dom0, guest):
    """It works by itself, with an address of another network."""
    dom0.check("ip address add 10.18.0.1/24 dev xenbr0")
    guest.check("ip link set eth1 up; ip address add 10.18.0.2/24 dev eth1;"
                " ping -q -c 3 -i 0.2 -I eth1 10.18.0.1")
    dom0.check("ip address del 10.18.0.1/24 dev xenbr0")


def test_card_comes_and_goes(dom0, guest):
    dom0.check(f"xl network-attach {guest.name} bridge=xenbr0 mac={MAC[2]}", 60)
    _wait(guest, "[ -e /sys/class/net/eth2 ]")
    assert MAC[2] in guest.check("cat /sys/class/net/eth2/address")
    guest.check("ip link set eth2 up; ip address add 10.17.0.22/24 dev eth2; ping -q -c 1 -I eth2 10.17.0.1")
    number = [row[0] for row in _rows(dom0.check(f"xl network-list {guest.name}")) if row[2] == MAC[2]][0]
    dom0.check(f"xl network-detach {guest.name} {number}", 60)
    _wait(guest, "[ ! -e /sys/class/net/eth2 ]")
    assert len(_rows(dom0.check(f"xl network-list {guest.name}"))) == 2
    assert MAC[2] not in dom0.check("ip link")


@pytest.mark.parametrize("disk", ["phy:/dev/lab/spare,xvde,w", f"file:{IMAGES}/base.img,xvde,w",
                                  f"format=qcow2,vdev=xvde,access=rw,target={IMAGES}/late.qcow2"])
def test_disk_comes_and_goes(dom0, guest, disk):
    dom0.check(f"qemu-img create -q -f qcow2 {IMAGES}/late.qcow2 64M")
    loops = dom0.check("losetup -a")
    dom0.check(f"xl block-attach {guest.name} {disk}", 60)
    _wait(guest, "[ -b /dev/xvde ]")
    _write_and_read(guest, "xvde", 4)
    assert len(_rows(dom0.check(f"xl block-list {guest.name}"))) == 4
    dom0.check(f"xl block-detach {guest.name} xvde", 60)
    _wait(guest, "[ ! -b /dev/xvde ]")
    assert len(_rows(dom0.check(f"xl block-list {guest.name}"))) == 3
    assert dom0.check("losetup -a") == loops


def test_what_is_not_there(dom0, guest):
    """Wrong names get an error, and the guest keeps what it has."""
    assert dom0.run(f"xl block-detach {guest.name} xvdz", 60).status
    assert dom0.run(f"xl network-detach {guest.name} 7", 60).status
    assert dom0.run(f"xl block-attach {guest.name} phy:/dev/lab/nothing,xvdf,w", 60).status
    # libxl tells of the bridge that is not there, and leaves the card to whoever asked for it.
    dom0.refuses(f"xl network-attach {guest.name} bridge=nothing", "Could not find bridge device nothing")
    number = _rows(dom0.check(f"xl network-list {guest.name}"))[-1][0]
    dom0.check(f"xl network-detach {guest.name} {number}", 60)
    assert _disks(guest) == {"xvda", "xvdb", "xvdc"}
    assert len(_rows(dom0.check(f"xl block-list {guest.name}"))) == 3
    assert len(_rows(dom0.check(f"xl network-list {guest.name}"))) == 2


def test_all_given_back(dom0, guest):
    """The last with this guest: it goes, and with it its loop device, QEMU and the rest."""
    guest.shutdown()
    assert dom0.check("losetup -a") == ""
    assert dom0.check("ls /sys/class/net | grep vif || true") == ""
    dom0.wait_until("! pgrep -f xen-domid.*many", 30)
    dom0.check(f"nbd-client -d {ROOT_OVER_NBD} && e2fsck -fn {IMAGES}/root.img", 60)


# --- configurations that cannot work ---

KERNEL = 'kernel = "/boot/vmlinuz"\nramdisk = "/boot/guest-initrd"\n'
BAD = {
    "disk": (KERNEL + 'disk = [ "phy:/dev/lab/nothing,xvda,w" ]', r"nothing"),
    "file": (KERNEL + 'disk = [ "file:/root/nothing.img,xvda,w" ]', r"nothing\.img"),
    "qcow2": (KERNEL + 'disk = [ "format=qcow2,vdev=xvda,access=rw,target=/root/nothing.qcow2" ]',
              r"nothing\.qcow2"),
    "bridge": (KERNEL + 'vif = [ "bridge=nothing" ]', r"vif-bridge|nothing"),
    "no kernel": ('kernel = "/boot/nothing"', r"/boot/nothing"),
    "no ramdisk": ('kernel = "/boot/vmlinuz"\nramdisk = "/boot/nothing"', r"/boot/nothing"),
    "text": ('kernel = "/etc/passwd"', r"kernel|loader"),
    "not PV": ('kernel = "/lab/plain64"', r"kernel|loader|ELF|Xen"),
    "truncated": ('kernel = "/tmp/truncated"', r"kernel|loader|decompress|panic"),
    "memory": (KERNEL.replace("/boot/guest-initrd", "/tmp/huge"), r"too large.*Out of memory"),
}


@pytest.fixture(name="bad_files", scope="module")
def _bad_files(dom0):
    """The files these name; and one domain that works, before anything is counted."""
    dom0.check("head -c 2000000 /boot/vmlinuz >/tmp/truncated; head -c 80M /dev/urandom >/tmp/huge")
    good = 'kernel = "/lab/tiny-idle"\ndisk = [ "file:/tmp/huge,xvda,w" ]\nvif = [ "bridge=xenbr0" ]'
    dom0.check(f"printf '%s\nname = \"good\"\nmemory = 16\n' '{good}' >/tmp/good.cfg;"
               " xl create -q /tmp/good.cfg && xl destroy good", 100)


@pytest.mark.usefixtures("bad_files")
@pytest.mark.parametrize("kind", BAD)
def test_bad_configuration(dom0, kind):
    """xl says what is wrong, and nothing of the domain stays."""
    text, says = BAD[kind]
    dom0.check(f"printf '%s\\nname = \"bad\"\\nmemory = 128\\n' '{text}' >/tmp/bad.cfg")
    left = Left(dom0)
    result = dom0.run("xl create /tmp/bad.cfg", 100)
    assert result.status != 0, result.output
    assert re.search(says, result.output), result.output
    left.check()
