# SPDX-License-Identifier: MIT
"""Guests as people have them: a kernel in the guest's own disk, started by
pygrub or by GRUB itself; small and large ones; and libvirt in place of xl."""
import shlex

import pytest

URI = "virsh -q -c xen:///system"
GRUB_CFG = """set default=1
set timeout=1
menuentry 'not this one' {
    linux /boot/nothing
}
menuentry 'Debian' {
    linux /boot/vmlinuz console=hvc0 quiet norandmaps lab.agent=console lab.name=own lab.ip=10.17.0.2 lab.own=1
    initrd /boot/initrd
}
"""


@pytest.fixture(name="own_kernel", scope="module", autouse=True)
def _own_kernel(dom0):
    """A guest's root, /dev/lab/own, with a kernel, an initrd and GRUB's menu in /boot."""
    dom0.check("/lab-volume own", 90)
    dom0.check("mount /dev/lab/own /mnt && mkdir -p /mnt/boot/grub && cp /boot/vmlinuz /mnt/boot/"
               " && cp /boot/guest-initrd /mnt/boot/initrd"
               f" && printf %s {shlex.quote(GRUB_CFG)} >/mnt/boot/grub/grub.cfg; umount /mnt", 60)


@pytest.mark.parametrize("loader", ["pygrub", "grub"])
def test_kernel_from_its_disk(dom0, loader):
    """The menu's second entry runs, with its command line."""
    line = {"pygrub": 'bootloader = "pygrub"',
            "grub": 'kernel = "/usr/lib/grub-xen/grub-x86_64-xen.bin"'}[loader]
    guest = dom0.guest("own")
    guest.config = guest.config.replace('kernel = "/boot/vmlinuz"', line)
    guest.config = "\n".join(row for row in guest.config.splitlines()
                             if not row.startswith(("ramdisk", "extra")))
    with guest:
        assert "lab.own=1" in guest.check("cat /proc/cmdline")
        guest.check("ping -q -c 1 10.17.0.1")
        guest.shutdown()
    assert dom0.check("ls /run/xen | grep boot_ || true") == ""     # pygrub's copies of the kernel


def test_newest_kernel(dom0):
    """Debian's newest kernel, from its backports, in place of domain 0's own."""
    if dom0.missing:
        pytest.skip(dom0.missing)
    own = dom0.check("uname -r")
    guest = dom0.guest("own", vcpus=2, memory=256)
    guest.config = guest.config.replace("/boot/vmlinuz", "/lab/newest-vmlinuz").replace(
        "/boot/guest-initrd", "/lab/newest-initrd")
    with guest:
        assert guest.check("uname -r") != own
        guest.check("ping -q -c 1 10.17.0.1; head -c 10M /dev/urandom >/root/data; sync")
        assert "BUG" not in guest.check("dmesg")
        guest.shutdown()


def test_large(dom0):
    """8 vCPUs and 4 GB: all are there and work."""
    with dom0.guest("own", vcpus=8, memory=4096) as guest:
        assert int(guest.check("nproc")) == 8
        assert int(guest.check("awk '/MemTotal/ {print $2}' /proc/meminfo")) > 3800 << 10
        guest.check("mount -o remount,size=3500M /dev/shm; dd if=/dev/zero of=/dev/shm/big bs=1M count=3072"
                    " && [ $(stat -c %s /dev/shm/big) = $((3 << 30)) ]", 300)


def _diskless(name, memory, vcpus):
    return (f'name = "{name}"\nmemory = {memory}\nvcpus = {vcpus}\nkernel = "/boot/vmlinuz"\n'
            'ramdisk = "/boot/guest-initrd"\nextra = "console=hvc0 quiet norandmaps lab.diskless"\n')


def test_small(dom0):
    """The smallest that this kernel takes: it alone is 58 MB before it gives up its start."""
    dom0.check(f"printf %s {shlex.quote(_diskless('small', 96, 1))} >/tmp/small.cfg;"
               " xl create -q /tmp/small.cfg", 60)
    dom0.wait_until("grep -q 'diskless guest up' /var/log/xen/console/guest-small.log", 90)
    dom0.check("xl destroy small")


# --- libvirt ---

DOMAIN = """<domain type='xen'><name>virtual</name><memory unit='MiB'>192</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='xenpv'>linux</type><kernel>/boot/vmlinuz</kernel>
<initrd>/boot/guest-initrd</initrd>
<cmdline>console=hvc0 quiet norandmaps lab.agent=console lab.name=virtual lab.ip=10.17.0.2</cmdline></os>
<devices><disk type='block' device='disk'><driver name='phy'/><source dev='/dev/lab/own'/>
<target dev='xvda' bus='xen'/></disk><interface type='bridge'><source bridge='xenbr0'/></interface>
<console type='pty'><target type='xen' port='0'/></console></devices></domain>
"""


@pytest.fixture(name="libvirt", scope="module")
def _libvirt(dom0):
    dom0.check("mkdir -p /run/libvirt /var/log/libvirt; tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id;"
               " libvirtd -d --pid-file /run/libvirtd.pid", 60)
    dom0.wait_until(f"{URI} list >/dev/null 2>&1", 30)
    yield dom0
    dom0.run("kill $(cat /run/libvirtd.pid)")


def test_libvirt(libvirt):
    """`virsh` lists, starts and shuts down."""
    rows = [line.split() for line in libvirt.check(f"{URI} list --all").splitlines()]
    assert rows == [["0", "Domain-0", "running"]]
    libvirt.check(f"printf %s {shlex.quote(DOMAIN)} >/tmp/virtual.xml; {URI} define /tmp/virtual.xml")
    libvirt.check(f"{URI} start virtual", 90)
    guest = libvirt.guest("virtual").wait_up()
    rows = [line.split() for line in libvirt.check(f"{URI} list").splitlines()]
    assert [row[1:] for row in rows] == [["Domain-0", "running"], ["virtual", "running"]]
    guest.check("ping -q -c 1 10.17.0.1")
    libvirt.check(f"{URI} shutdown virtual", 60)
    libvirt.wait_gone("virtual")
    libvirt.wait_until(f"{URI} domstate virtual | grep -qx 'shut off'", 30)
    libvirt.check(f"{URI} undefine virtual")
