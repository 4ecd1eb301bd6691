# SPDX-License-Identifier: MIT
"""A disk that firmware of both kinds can start from, once GRUB is on it.

    GPT, partition 1   BIOS boot: where grub-install puts GRUB's core
         partition 2   EFI system, FAT, on /boot/efi
         partition 3   root, ext4
"""
import subprocess

from labkit import grub

SECTOR = 512
MIB = (1 << 20) // SECTOR
BIOS_BOOT, EFI, ROOT = 1 * MIB, 2 * MIB, 34 * MIB
TAIL = 1 * MIB              # for the second copy of the partition table
TYPES = {"BIOS boot": "21686148-6449-6E6F-744E-656564454649",
         "EFI": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
         "Linux": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
ROOT_UUID = "7a656c6f-0000-4000-8000-64656269616e"
EFI_SERIAL = "5A454C4F"
FSTAB = (f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1\n"
         f"UUID={EFI_SERIAL[:4]}-{EFI_SERIAL[4:]} /boot/efi vfat umask=0077 0 1\n")


def _partitions(path, end):
    """An empty disk with its table."""
    table = ["label: gpt"]
    for (kind, guid), start, stop in zip(TYPES.items(), (BIOS_BOOT, EFI, ROOT), (EFI, ROOT, end)):
        table.append(f'start={start}, size={stop - start}, type={guid}, name="{kind}"')
    with open(path, "wb") as disk:
        disk.truncate((end + TAIL) * SECTOR)
    subprocess.run(["/sbin/sfdisk", "-q", str(path)], input="\n".join(table), text=True, check=True)


def efi_partition(disk):
    """The EFI system partition, as mtools' -i names it."""
    return f"{disk}@@{EFI * SECTOR}"


def make(path, megabytes, root):
    """Write the disk. `megabytes`: of the root; `root`: called as image.file_system
    is, without the tree, to make the root's file system in the disk."""
    partial = path.with_suffix(".partial")
    _partitions(partial, ROOT + megabytes * MIB)
    grub.run("mformat", "-i", efi_partition(partial), "-T", ROOT - EFI, "-h", 64, "-s", 32,
             "-H", EFI, "-N", EFI_SERIAL, "::")
    with open(partial, "r+b") as disk:
        # mformat leaves a partition table in the partition, which confuses GRUB's tools.
        disk.seek(EFI * SECTOR + 446)
        disk.write(bytes(64))
    root(partial, "-U", ROOT_UUID, "-E", f"offset={ROOT * SECTOR}", size=f"{megabytes << 10}k")
    partial.rename(path)


def copy(disk, path):
    """One more of a disk, with its holes."""
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", str(disk), str(path)], check=True)
    return path


def direct(kernel, initrd, more=""):
    """QEMU's options to start the disk's Linux where no GRUB is on it yet."""
    return ["-kernel", kernel, "-initrd", initrd, "-append",
            f"root=UUID={ROOT_UUID} ro console=ttyS0 {more}".strip()]
