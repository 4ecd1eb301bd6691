# SPDX-License-Identifier: MIT
"""A disk with a small Debian on it that is installed and not only unpacked: its
own kernel and initrd in /boot, an fstab, dpkg's database, and the packages of
GRUB for BIOS and UEFI, which install themselves from inside as on any machine."""
import functools
import pathlib
import shutil
import tempfile

from labkit import disk as layout
from labkit import grub, image, modules, packages, paths
from labkit.qemu import Machine
from labkit.ui import step

MEGABYTES = 864
FILES = {"installed/default-grub": "etc/default/grub", "installed/start": "lab/start",
         "dom0/inittab": "etc/inittab", "dom0/lab-start": "lab-start",
         "dom0/lab-ready": "lab-ready", "dom0/lab-console": "lab-console",
         "dom0/lab-stop": "lab-stop", "dom0/lab-agent": "lab-agent"}
# Of GRUB's packages, what grub-install does not read.
UNUSED = ["usr/lib/grub/x86_64-efi/monolithic"]


def _is_kernel(deb):
    return deb.name.startswith("linux-image")


def _kernel(kernel, static, tree):
    """What linux-image and initramfs-tools leave in /boot and /lib/modules."""
    release = modules.release(kernel.tree)
    boot = tree / "boot"
    boot.mkdir()
    for name in ("vmlinuz", "config"):
        shutil.copyfile(kernel.tree / "boot" / f"{name}-{release}", boot / f"{name}-{release}")
    image.small_initrd(kernel, static, boot / f"initrd.img-{release}", modules.INSTALLED)
    modules.copy(kernel.tree, tree, modules.DOM0)


def _root(debs, static, kernel, tree):
    """The root's files."""
    listing = packages.unpack([deb for deb in debs if not _is_kernel(deb)], tree)
    image.prepare_root(tree, "installed", [*image.UNUSED, *image.UNUSED_FILES, *UNUSED])
    packages.record(listing, tree)
    image.install_assets(tree, FILES)
    _kernel(kernel, static, tree)
    (tree / "boot/efi").mkdir()
    (tree / "boot/grub").mkdir()
    (tree / "etc/fstab").write_text(layout.FSTAB, encoding="ascii")


class Installed:
    """The disk, made on first use. Whoever writes to it copies it first."""

    def __init__(self):
        packages.install(packages.IMAGES + packages.GRUB + packages.PARTITIONS)
        with paths.locked():
            closure = packages.Closure(packages.INSTALLED)
            static = packages.Closure(packages.INITRD)
            code = image.sources("dom0", "domu/init", "installed", "installed.py", "disk.py", "image.py",
                                 "cpio.py", "modules.py", "packages.py")
            name = image.digest(closure.files, static.files, *code)
            debs = closure.fetch()
            self.kernel = image.Kernel(debs)
            self.disk = paths.LAB / f"installed-{name}.img"
            self.initrd = self.disk.with_suffix(".initrd")
            if not self.disk.exists():
                busybox = next(d for d in static.fetch() if d.name.startswith("busybox"))
                self._make(debs, busybox)

    def _make(self, debs, busybox):
        step("making a disk with an installed Debian")
        for old in paths.LAB.glob("installed-*"):
            old.unlink()
        with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
            tree = pathlib.Path(scratch, "root")
            _root(debs, busybox, self.kernel, tree)
            shutil.copyfile(next((tree / "boot").glob("initrd.img-*")), self.initrd)
            layout.make(self.disk, MEGABYTES, functools.partial(image.file_system, tree))

    def copy(self, path):
        """A disk to write to."""
        return layout.copy(self.disk, path)

    def without_grub(self):
        """QEMU's options to start the disk's Linux where no GRUB is on it yet."""
        return layout.direct(self.kernel.image, self.initrd, "norandmaps lab.agent=ttyS1")


def machine(name, disk, firmware="bios", more=()):
    """A Machine that starts from such a disk."""
    packages.install(packages.RUN)
    made = Machine(name, memory=1024, cpus=1, reboots=True)
    made.command += map(str, [*grub.options(disk, firmware), "-nic", "none", *more])
    return made
