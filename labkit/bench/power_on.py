# SPDX-License-Identifier: MIT
"""The machines of the whole jobs, and the first job of each: from power-on to the
first process of domain 0, or natively of Linux. In it are the firmware, QEMU's
loader, the hypervisor and the kernel.

Nothing comes into these machines once they run, from a serial line, a disk or
the network, and so nothing comes at another time in another run."""
from labkit import image, lab
from labkit.bench import counting
from labkit.qemu import Machine

MEMORY = 1024           # megabytes of the machine
DOM0_MEMORY = 512       # and of Linux in it
SECONDS = 3600          # a few minutes, on a CPU that does nothing else
ROW = "job.power_on"
# The kernel hands what it does not know to the first process, mark (bench/jobs/mark.c), as its environment.
FIRST = f"quiet rdinit=/lab/mark bench={ROW}"


def program(name):
    """One of build/bench, as a file of an archive in the memory of a Linux."""
    return {f"lab/{name}": (counting.program(name), 0o755)}


def _loaded(config, kernel, initrd):
    """QEMU's options to load it all: multiboot, or Linux alone with as much memory as domain 0's."""
    arguments = lab.kernel_arguments(config)
    if config.hypervisor:
        return ["-kernel", config.hypervisor, "-append", lab.hypervisor_arguments(config),
                "-initrd", f"{kernel} {arguments},{initrd}"]
    arguments = arguments.replace("console=hvc0 earlyprintk=xen", "console=ttyS0 nokaslr")
    return ["-kernel", kernel, "-append", f"{arguments} mem={config.dom0_memory}M", "-initrd", initrd]


def machine(kind, kernel, files, under=None, started=False, **settings):
    """A Machine, ready to start, of one `kind` and with an initrd of these `files`
    over the archive `under`; its counts go to the file that is its `counts`.
    `started`: they begin with the machine."""
    config = lab.Config(counting.hypervisor(kind), f"bench-{kind}", cpus=1, agent="none",
                        **{"memory": MEMORY, "dom0_memory": DOM0_MEMORY, **settings})
    made = Machine(config.name, memory=config.memory, cpus=1, counted=True)
    made.counts = made.log / "counts"
    initrd = made.scratch / "files.cpio"
    image.overlay(initrd, files)
    if under:
        initrd = image.join(made.scratch / "initrd.cpio", under, initrd)
    made.command += map(str, ["-nic", "none", *_loaded(config, kernel, initrd),
                              *counting.options(made.counts, kind != "native", started=started)])
    return made


def measure(kind):
    """The row of "native", "xen" or "zelo"."""
    with machine(kind, image.Dom0().kernel.image, program("mark"), started=True, kernel_args=FIRST) as booted:
        booted.console.wait(rf"^bench: {ROW} 1\r*\n", SECONDS)
        return counting.rows(booted.counts, booted.console.text())
