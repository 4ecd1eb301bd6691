# SPDX-License-Identifier: MIT
"""Domain 0 on its hardware: CPUs, its root on each kind of disk, each kind of
network card, message-signalled interrupts, and power off through ACPI."""
import dataclasses
import hashlib
import re
import shutil
import subprocess

import pytest

from dom0 import Dom0
from labkit import image, lab, net

MEGABYTES = 50


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine type, its CPUs, what carries the root and which network card."""
    type: str
    cpus: int
    disk: str
    card: str

    def __str__(self):
        return f"{self.type}-{self.cpus}cpu-{self.disk}-{self.card}"


MACHINES = [Machine("pc", 1, "virtio", "e1000"),
            Machine("pc", 2, "nvme", "virtio-net-pci"),
            Machine("q35", 1, "nvme", "virtio-net-pci"),
            Machine("q35", 2, "ahci", "e1000")]
ROOT = {"virtio": "/dev/vda", "nvme": "/dev/nvme0n1", "ahci": "/dev/sda"}
DEVICE = {"virtio": ["-device", "virtio-blk-pci,drive=root"],
          "nvme": ["-device", "nvme,drive=root,serial=root"],
          "ahci": ["-device", "ide-hd,drive=root"]}     # q35's own controller is AHCI


# What the disk's interrupt is called in /proc/interrupts.
INTERRUPT = {"virtio": r"-msi-x\s+virtio\d+-req", "nvme": r"-msi-x\s+nvme0q[1-9]",
             "ahci": r"-msi\s+ahci"}


@pytest.fixture(name="machine", scope="module",
                params=[pytest.param(kind, marks=[pytest.mark.one_cpu] * (kind.cpus == 1), id=str(kind))
                        for kind in MACHINES])
def _machine(request, hypervisor, tmp_path_factory):
    """Domain 0 booted with its root on the disk."""
    kind = request.param
    disk = tmp_path_factory.mktemp("root") / "root.img"
    shutil.copyfile(image.dom0_disk(image.Dom0()), disk)
    config = lab.Config(
        hypervisor=hypervisor, name=f"machine-{kind}", cpus=kind.cpus, machine=kind.type,
        hypervisor_args="" if kind.type == "pc" else "dom0_vcpus_pin",
        network=kind.card, kernel_args=f"lab.root={ROOT[kind.disk]}", reboots=True,
        qemu=["-drive", f"file={disk},format=raw,if=none,id=root,cache=unsafe",
              *DEVICE[kind.disk], *(["-device", "ioh3420,id=rootport"] if kind.type == "q35" else [])])
    with Dom0.booted(config) as booted:
        booted.kind = kind
        booted.disk = disk
        yield booted


def test_all_cpus(machine):
    assert int(machine.check("nproc")) == machine.kind.cpus
    assert f"nr_cpus                : {machine.kind.cpus}\n" in machine.check("xl info")


def test_affinity_of_domain_0(machine):
    """Any CPU for each of its vCPUs, or with dom0_vcpus_pin its own (hard / soft affinity); the only one is all."""
    pinned = machine.kind.type == "q35" and machine.kind.cpus > 1
    rows = [line.split() for line in machine.check("xl vcpu-list").splitlines()[1:]]
    assert [row[2] for row in rows] == [str(n) for n in range(machine.kind.cpus)]
    for row in rows:
        assert row[6:9] == [row[2] if pinned else "all", "/", "all"]


def test_root_on_disk(machine):
    """What is written is still there after a sync, with no cache, remounted."""
    assert ROOT[machine.kind.disk] in machine.check("findmnt -n -o SOURCE /")
    written = machine.check(f"head -c {MEGABYTES}M /dev/urandom >/root/data; sync;"
                            " sha256sum </root/data", 90)
    machine.check("echo 3 >/proc/sys/vm/drop_caches; mount -o remount,ro /;"
                  " mount -o remount,rw /")
    assert machine.check("sha256sum </root/data", 60) == written


def test_network_to_the_host(machine):
    """50 MB to a server on QEMU's host and 50 MB back, with the right sums."""
    with net.Server(MEGABYTES << 20) as server:
        target = f"/dev/tcp/{net.GATEWAY}/{server.port}"
        got = machine.check(f"exec 3<>{target}; echo GET >&3; sha256sum <&3", 100)
        assert got.split()[0] == server.sum
        size = MEGABYTES << 20
        answer = machine.check(
            f"head -c {size} /dev/urandom >/dev/shm/out; sha256sum </dev/shm/out;"
            f" exec 3<>{target}; {{ echo 'PUT {size}'; cat /dev/shm/out; }} >&3;"
            " cat <&3; rm /dev/shm/out", 100)
        own, theirs = answer.splitlines()
        assert own.split()[0] == theirs.split()[0]
        assert theirs.split()[1] == "0", "the host did not get all of it"
        assert server.received == [own.split()[0]]


def test_message_signalled_interrupts(machine):
    """The disk's interrupts are MSI or MSI-X, and they arrive. On q35 a PCI Express
    root port asks for two MSI vectors at once, and gets an interrupt for each."""
    table = machine.check("cat /proc/interrupts")
    lines = [line for line in table.splitlines()
             if re.search(r"xen-pirq\s+" + INTERRUPT[machine.kind.disk], line)]
    counts = [int(number) for line in lines
              for number in line.split()[1:1 + machine.kind.cpus]]
    assert sum(counts) > 0, table
    port = re.findall(r"xen-pirq\s+-msi\s+(PCIe PME|aerdrv)$", table, re.M)
    assert len(port) == (2 if machine.kind.type == "q35" else 0), table


def test_power_off(machine):
    """The last test of a machine: ACPI's S5 ends QEMU, and the root is clean and
    holds, seen from outside, what domain 0 wrote last."""
    written = machine.check("head -c 20M /dev/urandom >/root/last; sha256sum </root/last", 60)
    machine.run("setsid sh -c 'sleep 0.5; poweroff' >/dev/null 2>&1 &")
    assert machine.machine.wait_exit(60) == 0
    fsck = subprocess.run(["/sbin/e2fsck", "-fn", machine.disk], capture_output=True,
                          text=True, check=False)
    assert fsck.returncode == 0, fsck.stdout
    data = subprocess.run(["/sbin/debugfs", "-R", "cat /root/last", machine.disk],
                          capture_output=True, check=True).stdout
    assert hashlib.sha256(data).hexdigest() == written.split()[0]


def test_reboot(hypervisor):
    """`reboot` resets the machine, and domain 0's Linux starts anew."""
    config = lab.Config(hypervisor=hypervisor, name="reboot", reboots=True)
    with Dom0.booted(config) as dom0:
        console = dom0.machine.console
        position = console.position()
        dom0.run("setsid sh -c 'sleep 0.5; reboot' >/dev/null 2>&1 &")
        console.wait(r"Linux version", 120, position)
        console.wait(r"Run /init as init process", 120, position)
