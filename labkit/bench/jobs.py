# SPDX-License-Identifier: MIT
"""The whole jobs of domain 0: domains are made, are idle and are destroyed; a
guest's disk and network are used. bench/jobs has the scripts that do them."""
import dataclasses

from labkit import image, paths
from labkit.bench import counting, guest_tools, power_on
from labkit.ui import LabError, step

MEMORY = 2048
DOM0_MEMORY = 1408      # half of it, without the initrd, is for what the initrd becomes
SCRIPTS = paths.ROOT / "bench" / "jobs"
MIB = 1 << 20
# Bytes of a request, where what a byte costs is told too.
REQUEST = {"job.disk.read_1m": MIB, "job.disk.write_1m": MIB}

TINY = 'memory = 4\nvcpus = 1\nkernel = "/lab/tiny"\non_crash = "destroy"\n'
LINUX = """name = "linux"
memory = 256
vcpus = 1
kernel = "/boot/vmlinuz"
ramdisk = "/tmp/linux-initrd"
extra = "console=hvc0 quiet norandmaps rdinit=/lab/mark lab.diskless"
disk = [ "phy:/dev/loop0,xvda,w" ]
vif = [ "bridge=xenbr0" ]
"""
DEVICES = """name = "devices"
memory = 512
vcpus = 1
kernel = "/lab/vmlinux"
ramdisk = "/tmp/devices-initrd"
extra = "console=hvc0 quiet norandmaps rdinit=/lab/in-guest"
disk = [ "phy:/dev/ram0,xvda,w" ]
vif = [ "bridge=xenbr0" ]
"""


def _archive(files):
    """An archive of files, as a file of another."""
    path = paths.LAB / "bench.cpio"
    image.overlay(path, files)
    return path.read_bytes()


def script(name):
    """One of the scripts, as a file of an archive."""
    return (SCRIPTS / name).read_bytes()


def _life(_dom0):
    """What domain 0 needs for life.sh."""
    return {**power_on.program("tiny"), "lab/tiny.cfg": TINY.encode(), "lab/linux.cfg": LINUX.encode(),
            "lab/mark.cpio": _archive(power_on.program("mark")), "lab/commands": script("life.sh")}


def _devices(dom0):
    """And for devices.sh."""
    inside = {**power_on.program("mark"), **guest_tools.files("fio"), **guest_tools.files("iperf3"),
              "lab/in-guest": (script("in_guest.sh"), 0o755)}
    return {**guest_tools.files("iperf3"), "lab/vmlinux": power_on.unpacked(dom0.kernel.image).read_bytes(),
            "lab/devices.cfg": DEVICES.encode(),
            "lab/tools.cpio": _archive(inside), "lab/commands": script("devices.sh"), **guest_tools.ram_disk(dom0)}


GROUPS = {"life": _life, "devices": _devices}


def _run(kind, group):
    """One machine, until its domain 0 has done it all: the rows as they were measured."""
    dom0 = image.Dom0()
    files = {**power_on.program("mark"), **GROUPS[group](dom0)}
    step(f"measuring {group} under {kind}")
    made = power_on.machine(kind, kernel=power_on.unpacked(dom0.kernel.image), files=files, memory=MEMORY,
                            dom0_memory=DOM0_MEMORY, kernel_args="quiet")
    with made as booted:
        match, _ = booted.console.wait(r"^=lab-exit (\d+)=", power_on.SECONDS)
        text = booted.console.text()
    if match[1] != b"0":
        raise LabError(f"the jobs failed; their last words:\n{text[-3000:]}")
    return counting.rows(made.counts, text)


def _marginal(short, long):
    """What the longer of two runs has more, so that no start and no end of a program is in it."""
    return counting.Measured(short.name.removesuffix(".short"), long.repeats - short.repeats,
                             {column: count - short.counts[column] for column, count in long.counts.items()})


def _told(rows):
    """The rows for the table: pairs of a short and a long run as one, and bytes."""
    rows = iter(rows)
    for row in rows:
        if row.name.endswith(".short"):
            row = _marginal(row, next(rows))
        yield row
        if row.name in REQUEST:
            yield dataclasses.replace(row, name=f"{row.name}.byte", repeats=row.repeats * REQUEST[row.name])


def measure(kind, groups=GROUPS):
    """All rows of "xen" or "zelo", or of "native", which has but the first."""
    rows = power_on.measure(kind)
    for group in groups if kind != "native" else ():
        rows += _told(_run(kind, group))
    return rows
