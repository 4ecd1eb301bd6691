# SPDX-License-Identifier: MIT
"""What Linux does: bench/linux natively, in domain 0, and in a domU. The same
Debian kernel, the same initrd and as much memory everywhere.

Nothing comes into these machines once they run, from a serial line, a disk or
the network, and so nothing comes at another time in another run."""
import dataclasses

from labkit import image, lab, paths
from labkit.bench import counting, small_root
from labkit.ui import LabError, step

MEMORY = 512            # of the Linux that is measured, in MiB
DOM0_MEMORY = 1280      # of a domain 0 beside it
SECONDS = 900           # it takes one or two minutes, on CPUs that do nothing else
DONE = r"^=bench: (done|failed)\r*$"

# First process and only program of the Linux that is measured. Its console says all at the end.
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
export PATH=/usr/bin:/bin
if /bench/linuxbench >/tmp/bench &&
    /bench/linuxbench run build /usr/bin/gcc -O2 -o /tmp/sample /bench/sample.c >>/tmp/bench; then
    /bin/busybox cat /tmp/bench
    echo "=bench: done"
else
    echo "=bench: failed"
fi
/bin/busybox poweroff -f
"""
# Xen would else emulate RDTSC, as this machine's TSC is not said to be invariant; and Linux reads it in each system call.
DOMU_CONFIG = f"""name = "bench"
memory = {MEMORY}
vcpus = 1
kernel = "/boot/vmlinuz"
ramdisk = "/lab/bench-initrd"
extra = "console=hvc0 quiet norandmaps"
tsc_mode = "native"
"""
# `xl create -F` waits until the domain is gone, and does nothing meanwhile.
DOMU_COMMANDS = """xl create -F /lab/bench.cfg >/tmp/xl 2>&1 || cat /tmp/xl
cat /var/log/xen/console/guest-bench.log
"""


def _files():
    """What the initrd has of our own."""
    made = {f"bench/{name}": (counting.program(name), 0o755) for name in ("linuxbench", "nothing")}
    made["bench/sample.c"] = (paths.ROOT / "bench" / "linux" / "sample.c").read_bytes()
    return {**made, "init": (INIT.encode(), 0o755)}


def _initrd(scratch):
    own = scratch / "own.cpio"
    image.overlay(own, _files())
    return image.join(scratch / "initrd.cpio", small_root.archive(), own)


def _least(measured):
    """Of those with one name the one with the fewest instructions (bench/linux/measure.c)."""
    found = {}
    for row in measured:
        found[row.name] = min(row, found.get(row.name, row), key=lambda each: each.instructions)
    return list(found.values())


def _run(kind, prefix, **settings):
    """Boot, wait until it is done, and tell what was measured."""
    config = lab.Config(counting.hypervisor(kind), f"bench-{prefix}-{kind}", cpus=1, network=None, counted=True,
                        agent="none", **settings)
    machine = lab.prepare(config)
    out = machine.log / "counts"
    machine.command += counting.options(out, kind != "native", late=True)
    step(f"measuring in {config.name}")
    with machine:
        match, _ = machine.console.wait(DONE, SECONDS)
        text = machine.console.text()
    if match[1] != b"done":
        raise LabError(f"the measurement failed; its last words:\n{text[-3000:]}")
    return _least(dataclasses.replace(row, name=f"{prefix}.{row.name}") for row in counting.rows(out, text))


def measure(kind):
    """Linux, `native` or as domain 0 of `xen` or `zelo`."""
    with paths.scratch() as scratch:
        return _run(kind, "linux", dom0_memory=MEMORY, initrd=_initrd(scratch))


def measure_domu(kind):
    """A domU of `xen` or `zelo`, while domain 0 waits for its end."""
    with paths.scratch() as scratch:
        files = {"lab/bench-initrd": _initrd(scratch).read_bytes(),
                 "lab/bench.cfg": DOMU_CONFIG.encode(), "lab/commands": DOMU_COMMANDS.encode()}
    return _run(kind, "domu", dom0_memory=DOM0_MEMORY, files=files)
