# SPDX-License-Identifier: MIT
"""A disk with a small Debian on it that is installed and not only unpacked: its
own kernel and initrd in /boot, an fstab, dpkg's database, and the packages of
GRUB for BIOS and UEFI, which install themselves from inside as on any machine.

    GPT, partition 1   BIOS boot: where grub-install puts GRUB's core
         partition 2   EFI system, FAT, on /boot/efi
         partition 3   root, ext4
"""
import pathlib
import shutil
import subprocess
import tempfile

from labkit import grub, image, modules, packages, paths
from labkit.qemu import Machine
from labkit.ui import step

SECTOR = 512
MIB = (1 << 20) // SECTOR
BIOS_BOOT, EFI, ROOT, END = 1 * MIB, 2 * MIB, 34 * MIB, 898 * MIB
TAIL = 1 * MIB              # for the second copy of the partition table
TYPES = {"BIOS boot": "21686148-6449-6E6F-744E-656564454649",
         "EFI": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
         "Linux": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
ROOT_UUID = "7a656c6f-0000-4000-8000-64656269616e"
EFI_SERIAL = "5A454C4F"
FSTAB = (f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\n"
         f"UUID={EFI_SERIAL[:4]}-{EFI_SERIAL[4:]} /boot/efi vfat umask=0077 0 1\n")
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
    (tree / "etc/fstab").write_text(FSTAB, encoding="ascii")


def _partitions(path):
    """An empty disk with its table."""
    table = ["label: gpt"]
    for (kind, guid), start, end in zip(TYPES.items(), (BIOS_BOOT, EFI, ROOT), (EFI, ROOT, END)):
        table.append(f'start={start}, size={end - start}, type={guid}, name="{kind}"')
    with open(path, "wb") as disk:
        disk.truncate((END + TAIL) * SECTOR)
    subprocess.run(["/sbin/sfdisk", "-q", str(path)], input="\n".join(table), text=True, check=True)


def efi_partition(disk):
    """The EFI system partition, as mtools' -i names it."""
    return f"{disk}@@{EFI * SECTOR}"


def _make(tree, target):
    partial = target.with_suffix(".partial")
    _partitions(partial)
    grub.run("mformat", "-i", efi_partition(partial), "-T", ROOT - EFI, "-h", 64, "-s", 32,
             "-H", EFI, "-N", EFI_SERIAL, "::")
    with open(partial, "r+b") as disk:
        # mformat leaves a partition table in the partition, which confuses GRUB's tools.
        disk.seek(EFI * SECTOR + 446)
        disk.write(bytes(64))
    image.file_system(tree, partial, "-U", ROOT_UUID, "-E", f"offset={ROOT * SECTOR}",
                      size=f"{(END - ROOT) // 2}k")
    partial.rename(target)


class Installed:
    """The disk, made on first use. Whoever writes to it copies it first."""

    def __init__(self):
        packages.install(packages.IMAGES + packages.GRUB + packages.PARTITIONS)
        with paths.locked():
            closure = packages.Closure(packages.INSTALLED)
            static = packages.Closure(packages.INITRD)
            code = image.sources("dom0", "domu/init", "installed", "installed.py", "image.py",
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
            _make(tree, self.disk)

    def copy(self, path):
        """A disk to write to."""
        return copy(self.disk, path)

    def without_grub(self):
        """QEMU's options to start the disk's Linux where no GRUB is on it yet."""
        return ["-kernel", self.kernel.image, "-initrd", self.initrd, "-append",
                f"root=UUID={ROOT_UUID} ro console=ttyS0 lab.agent=ttyS1"]


def copy(disk, path):
    """One more of a disk, with its holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(disk), str(path)], check=True)
    return path


def machine(name, disk, firmware="bios", more=()):
    """A Machine that starts from such a disk."""
    packages.install(packages.RUN)
    made = Machine(name, memory=1024, cpus=1, reboots=True)
    made.command += map(str, [*grub.options(disk, firmware), "-nic", "none", *more])
    return made
