# SPDX-License-Identifier: MIT
"""Puts a hypervisor, domain 0's image and a machine together."""
import dataclasses
import pathlib
import re
import subprocess

from labkit import full, grub, image, packages, paths
from labkit.agent import Agent
from labkit.qemu import Machine
from labkit.ui import LabError, step


@dataclasses.dataclass
class Config:
    """One way to boot. The defaults are what `./lab run` uses."""
    hypervisor: pathlib.Path    # None: Linux has the machine to itself
    name: str = "lab"
    cpus: int = 2
    memory: int = 2048
    machine: str = "pc"
    cpu: str = None
    dom0_memory: int = 768
    hypervisor_args: str = ""
    kernel_args: str = ""
    agent: str = "ttyS1"
    network: str = "virtio-net-pci"
    reboots: bool = False
    counted: bool = False   # labkit/accel.py
    full: bool = False      # domain 0 with everything, its root on a disk: labkit/full.py
    firmware: str = None    # bios or ovmf: boot through GRUB, not by QEMU itself
    kernel: pathlib.Path = None     # in place of domain 0's
    initrd: pathlib.Path = None
    files: dict = dataclasses.field(default_factory=dict)
    qemu: list = dataclasses.field(default_factory=list)


def make(what, target, *arguments):
    """`make`, quiet unless it fails; returns what it made."""
    packages.install(packages.BUILD)
    step(f"building {what}")
    result = subprocess.run(["make", "-C", str(paths.ROOT), *arguments], text=True, check=False,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)
    if result.returncode or not target.exists():
        raise LabError(f"the build failed:\n{result.stdout[-4000:]}")
    return target


def build():
    """The hypervisor's path."""
    return make("the hypervisor", paths.ZELO)


def build_debug():
    """The path of the one that checks itself."""
    with paths.locked("debug"):
        return make("the hypervisor with its checks", paths.ZELO_DEBUG, "DEBUG=1")


def build_guest(name):
    """The path of one of guests/."""
    with paths.locked("guests"):
        return make("the tiny guests", paths.ROOT / "build" / "guests" / f"{name}.elf", "guests")


def hypervisor(word):
    """The file to boot: ours (built first) for None, Debian's for `xen`."""
    if word is None:
        return build()
    if word == "xen":
        return image.debian_xen()
    path = pathlib.Path(word).resolve()
    if not path.exists():
        raise LabError(f"no such hypervisor: {word}")
    return path


def hypervisor_arguments(config):
    """The hypervisor's command line."""
    return (f"console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all noreboot"
            f" dom0_mem={config.dom0_memory}M,max:{config.dom0_memory}M"
            f" {config.hypervisor_args}").strip()


def kernel_arguments(config):
    """Domain 0's command line. Programs that lie at the same addresses each time
    start twice as fast under QEMU's TCG, which translates code for its address."""
    console = "console=hvc0 earlyprintk=xen"
    if config.hypervisor is None:
        # As much memory as domain 0 has; and where it lies is always the same there.
        console = f"console=ttyS0 nokaslr mem={config.dom0_memory}M"
    return (f"{console} norandmaps rdinit=/init lab.agent={config.agent}"
            f" {config.kernel_args}").strip()


def network_options(model):
    """A card of this model on QEMU's user network; none for None."""
    if not model:
        return ["-nic", "none"]
    return ["-netdev", "user,id=net0", "-device", f"{model},netdev=net0"]


def _kernel(config, dom0):
    return config.kernel or dom0.kernel.image


def _initrd(config, dom0, scratch):
    """Domain 0's initrd, with the config's own files over it."""
    initrd = config.initrd or dom0.initrd
    if not config.files:
        return initrd
    own = scratch / "files.cpio"
    image.overlay(own, config.files)
    return image.join(scratch / "initrd.cpio", initrd, own)


def _native(config, dom0, scratch):
    """QEMU as the boot loader of Linux itself."""
    return ["-kernel", _kernel(config, dom0), "-append", kernel_arguments(config),
            "-initrd", _initrd(config, dom0, scratch)]


def _direct(config, dom0, scratch):
    """QEMU as the boot loader: multiboot 1, the modules separated by commas."""
    kernel, initrd = _kernel(config, dom0), _initrd(config, dom0, scratch)
    for path in (kernel, initrd):
        if re.search(r"[ ,]", str(path)):
            raise LabError(f"QEMU cannot take a space or a comma in {path}")
    return ["-kernel", config.hypervisor, "-append", hypervisor_arguments(config),
            "-initrd", f"{kernel} {kernel_arguments(config)},{initrd}"]


def _grub(config, dom0, scratch):
    """A disk with GRUB on it: multiboot 2."""
    packages.install(packages.GRUB)
    disk = grub.make_disk(scratch / "boot.img", config.hypervisor, _kernel(config, dom0),
                          _initrd(config, dom0, scratch), hypervisor_arguments(config),
                          kernel_arguments(config))
    return grub.options(disk, config.firmware)


def prepare(config):
    """The Machine of a `config`, ready to start; its command may still be added to."""
    packages.install(packages.RUN)
    dom0 = image.Dom0()
    machine = Machine(config.name, memory=config.memory, cpus=config.cpus,
                      machine=config.machine, cpu=config.cpu, reboots=config.reboots,
                      counted=config.counted)
    if config.full:
        config.kernel_args += " lab.root=/dev/vda"
        machine.command += full.options(dom0)
    direct = _direct if config.hypervisor else _native
    boots = _grub if config.firmware else direct
    machine.command += map(str, [*boots(config, dom0, machine.scratch),
                                 *network_options(config.network), *config.qemu])
    return machine


def boot(config):
    """Start QEMU for `config`; return the Machine, running."""
    return prepare(config).start()


def agent(machine, config):
    """The command channel to domain 0 on whichever line the config names."""
    if config.agent == "console":
        # The hypervisor's console buffer has no flow control.
        return Agent(machine.console, piece=16)
    return Agent(machine.agent)
