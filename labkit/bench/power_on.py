# SPDX-License-Identifier: MIT
"""The machines of the whole jobs, and the first job of each: from power-on to the
first process of domain 0, or natively of Linux. In it are the firmware, QEMU's
loader, the hypervisor and the kernel.

Nothing comes into these machines once they run, from a serial line, a disk or
the network, and so nothing comes at another time in another run."""
import lzma
import struct

from labkit import image, lab, paths
from labkit.bench import counting

MEMORY = 1024           # megabytes of the machine
DOM0_MEMORY = 512       # and of Linux in it
SECONDS = 3600          # a few minutes, on a CPU that does nothing else
ROW = "job.power_on"
UNPACKED = f"{ROW}.unpacked"    # the same with a kernel that is to be unpacked by nobody


def program(name):
    """One of build/bench, as a file of an archive in the memory of a Linux."""
    return {f"lab/{name}": (counting.program(name), 0o755)}


def machine(kind, plugin=counting.options, started=False, **settings):
    """A Machine, ready to start, of one `kind` with a plugin's options; the file
    of its figures is its `counts`. `started`: they begin with the machine."""
    config = lab.Config(counting.hypervisor(kind), f"bench-{kind}", cpus=1, counted=True, agent="none", network=None,
                        **{"memory": MEMORY, "dom0_memory": DOM0_MEMORY, **settings})
    made = lab.prepare(config)
    made.counts = made.log / "counts"
    made.command += plugin(made.counts, kind != "native", started=started)
    return made


def unpacked(kernel):
    """The ELF file in a bzImage (Documentation/arch/x86/boot.rst), beside it."""
    target = kernel.with_name(f"{kernel.name}.elf")
    if not target.exists():
        data = kernel.read_bytes()
        setup = (data[0x1f1] + 1) * 512
        offset, length = struct.unpack_from("<II", data, 0x248)
        partial = target.with_suffix(".partial")
        partial.write_bytes(lzma.decompress(data[setup + offset:setup + offset + length - 4]))
        partial.rename(target)
    return target


def run(kind, plugin=counting.options, row=ROW):
    """Until the first process runs: the plugin's file, and what was said."""
    kernel = unpacked(image.Dom0().kernel.image) if row == UNPACKED else None
    with paths.scratch() as scratch:
        initrd = scratch / "mark.cpio"
        image.overlay(initrd, program("mark"))
        # The kernel hands what it does not know to the first process, mark (bench/jobs/mark.c), as its environment.
        with machine(kind, plugin, started=True, kernel=kernel, initrd=initrd,
                     kernel_args=f"quiet rdinit=/lab/mark bench={row}") as booted:
            booted.console.wait(rf"^bench: {row} 1\r*\n", SECONDS)
            return booted.counts, booted.console.text()


def measure(kind):
    """The rows of "native", "xen" or "zelo"."""
    rows = [ROW] if kind == "native" else [ROW, UNPACKED]
    return [counted for row in rows for counted in counting.rows(*run(kind, row=row))]
