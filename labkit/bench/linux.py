# SPDX-License-Identifier: MIT
"""What Linux does: bench/linux natively, in domain 0, and in a domU. The same
Debian kernel and the same initrd, with as much memory, everywhere.

Nothing comes into these machines once they run, from a serial line, a disk or
the network, and so nothing comes at another time in another run."""
import dataclasses
import pathlib
import tempfile

from labkit import image, lab, paths
from labkit.bench import compiler, counting
from labkit.ui import LabError, step

MEMORY = 1280       # of Linux, native or domain 0, in MiB
DOMU_MEMORY = 512
SECONDS = 900       # it takes one or two minutes, on CPUs that do nothing else
BUILD = "/usr/bin/gcc -O2 -o /tmp/sample /lab/sample.c"
MEASURE = f"""/lab/linuxbench >/tmp/bench && /lab/linuxbench run build {BUILD} >>/tmp/bench || exit 1
cat /tmp/bench
"""

# The only program of the domU. Its console says all at the end.
DOMU_INIT = f"""#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
export PATH=/usr/bin:/bin
measure() {{
{MEASURE.replace("exit 1", "return 1").replace("cat ", "/bin/busybox cat ")}}}
measure && echo "=bench: done"
/bin/busybox poweroff -f
"""
DOMU_CONFIG = f"""name = "bench"
memory = {DOMU_MEMORY}
vcpus = 1
kernel = "/boot/vmlinuz"
ramdisk = "/lab/bench-initrd"
extra = "console=hvc0 quiet norandmaps rdinit=/lab/init"
"""
# `xl create -F` waits until the domain is gone, and does nothing meanwhile.
DOMU_COMMANDS = """xl create -F /lab/bench.cfg >/tmp/xl 2>&1 || { cat /tmp/xl; exit 1; }
log=/var/log/xen/console/guest-bench.log
grep -a -e ^bench: "$log"
grep -a -q "^=bench: done" "$log" || { cat /tmp/xl "$log"; exit 1; }
"""


def _programs():
    """What a Linux that is measured finds in /lab."""
    made = {}
    for name in ("linuxbench", "nothing"):
        path = paths.ROOT / "build" / "bench" / name
        made[f"lab/{name}"] = (lab.make(name, path, f"build/bench/{name}").read_bytes(), 0o755)
    made["lab/sample.c"] = (paths.ROOT / "bench" / "linux" / "sample.c").read_bytes()
    return made


def _hypervisor(kind):
    return {"native": lambda: None, "xen": image.debian_xen, "zelo": lab.build}[kind]()


def _config(kind, what, files):
    return lab.Config(_hypervisor(kind), f"bench-{what}-{kind}", cpus=1, dom0_memory=MEMORY, network=None,
                      counted=True, agent="none", files=files)


def _run(config, prefix, hypervised):
    """Boot, let the commands run to their end, and tell what was measured."""
    machine = lab.prepare(config)
    out = machine.log / "counts"
    machine.command += counting.options(out, hypervised)
    step(f"measuring in {config.name}")
    with machine:
        match, _ = machine.console.wait(r"^=lab-exit (\d+)=", SECONDS)
        text = machine.console.text()
    if match[1] != b"0":
        raise LabError(f"the measurement failed; its last words:\n{text[-3000:]}")
    return [dataclasses.replace(row, name=f"{prefix}.{row.name}") for row in counting.rows(out, text)]


def measure(kind):
    """Linux, `native` or as domain 0 of `xen` or `zelo`."""
    config = _config(kind, "linux", {**_programs(), "lab/commands": MEASURE.encode()})
    config.archives.append(compiler.archive())
    return _run(config, "linux", kind != "native")


def _domu_initrd(scratch):
    own = scratch / "bench.cpio"
    image.overlay(own, {**_programs(), "lab/init": (DOMU_INIT.encode(), 0o755), "tmp/.keep": b""})
    small = image.Dom0().tree / "boot" / "guest-initrd"
    return image.join(scratch / "bench-initrd", small, compiler.archive(), own)


def measure_domu(kind):
    """A domU of `xen` or `zelo`, while domain 0 waits for its end."""
    with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
        files = {"lab/bench-initrd": _domu_initrd(pathlib.Path(scratch)).read_bytes(), "lab/bench.cfg": DOMU_CONFIG.encode(),
                 "lab/commands": DOMU_COMMANDS.encode()}
    return _run(_config(kind, "domu", files), "domu", True)
