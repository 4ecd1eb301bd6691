# SPDX-License-Identifier: MIT
"""A disk image that starts a hypervisor through GRUB, on BIOS and on UEFI alike,
put together without mounting anything or being root."""
import os
import pathlib
import struct
import subprocess

MODULES = "part_msdos fat multiboot2 gzio serial terminal search configfile echo normal".split()
CORE_SECTOR = 1             # where boot.img expects GRUB's core
PARTITION_SECTOR = 2048
SECTOR = 512
BIOS_FILES = pathlib.Path("/usr/lib/grub/i386-pc")
OVMF = pathlib.Path("/usr/share/OVMF")
# GRUB finds its partition by this file, whatever the firmware calls the disk.
EARLY = "search --file --set=root /boot/grub/grub.cfg\nconfigfile /boot/grub/grub.cfg\n"


def run(*command):
    """A tool of GRUB's or of mtools, which must succeed."""
    environment = dict(os.environ, MTOOLS_SKIP_CHECK="1")
    subprocess.run([str(word) for word in command], check=True, env=environment)


def _core(directory, target, name, extra):
    early = directory / "early.cfg"
    early.write_text(EARLY, encoding="ascii")
    image = directory / name
    run("grub-mkimage", "-O", target, "-p", "/boot/grub", "-c", early, "-o", image,
         *MODULES, *extra)
    return image


def _boot_sector(sectors):
    """GRUB's boot.img with one active EFI system partition in its table."""
    code = (BIOS_FILES / "boot.img").read_bytes()[:440]
    entry = struct.pack("<B3sB3sII", 0x80, b"\xfe\xff\xff", 0xef, b"\xfe\xff\xff",
                        PARTITION_SECTOR, sectors - PARTITION_SECTOR)
    return code.ljust(446, b"\0") + entry.ljust(64, b"\0") + b"\x55\xaa"


def _config(hypervisor_args, kernel_args, hypervisor):
    return ("serial --unit=0 --speed=115200\nterminal_output serial\n"
            f"echo 'lab: GRUB loads {hypervisor}'\n"
            f"multiboot2 /{hypervisor} {hypervisor_args}\n"
            f"module2 /vmlinuz {kernel_args}\nmodule2 /initrd\nboot\n")


def make_disk(path, hypervisor, kernel, initrd, hypervisor_args, kernel_args):
    """Write the image. A `hypervisor` named *.gz stays so: GRUB unpacks it."""
    size = sum(os.path.getsize(p) for p in (hypervisor, kernel, initrd)) + (48 << 20)
    sectors = size // SECTOR
    directory = path.parent
    bios = _core(directory, "i386-pc", "core.img", ["biosdisk"]).read_bytes()
    if len(bios) > (PARTITION_SECTOR - CORE_SECTOR) * SECTOR:
        raise ValueError("GRUB's core does not fit before the partition")
    efi = _core(directory, "x86_64-efi", "bootx64.efi", ["part_gpt"])
    with open(path, "wb") as disk:
        disk.truncate(sectors * SECTOR)
        disk.write(_boot_sector(sectors))
        disk.seek(CORE_SECTOR * SECTOR)
        disk.write(bios)
    name = "hypervisor.gz" if str(hypervisor).endswith(".gz") else "hypervisor"
    config = directory / "grub.cfg"
    config.write_text(_config(hypervisor_args, kernel_args, name), encoding="ascii")
    partition = f"{path}@@{PARTITION_SECTOR * SECTOR}"
    run("mformat", "-i", partition, "-F", "-T", sectors - PARTITION_SECTOR, "-h", 255,
         "-s", 63, "-H", PARTITION_SECTOR, "::")
    run("mmd", "-i", partition, "::/boot", "::/boot/grub", "::/EFI", "::/EFI/BOOT")
    for source, place in ((efi, "/EFI/BOOT/BOOTX64.EFI"), (config, "/boot/grub/grub.cfg"),
                          (hypervisor, f"/{name}"), (kernel, "/vmlinuz"), (initrd, "/initrd")):
        run("mcopy", "-i", partition, source, f"::{place}")
    return path


def options(disk, firmware):
    """QEMU's options to boot the image; `firmware` is bios or ovmf."""
    drive = ["-drive", f"file={disk},format=raw,if=none,id=boot,cache=unsafe",
             "-device", "virtio-blk-pci,drive=boot,bootindex=1"]
    if firmware == "bios":
        return drive
    return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
            "-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={OVMF}/OVMF_VARS_4M.fd",
            *drive]
