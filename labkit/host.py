# SPDX-License-Identifier: MIT
"""A host as an administrator has it before the hypervisor comes: Debian with
systemd and all that its own tools configure, on a disk, with GRUB's packages."""
import io
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from labkit import disk as layout
from labkit import grub, image, packages, paths
from labkit.qemu import Machine
from labkit.ui import LabError, step

MEGABYTES = 2560
# QEMU's user network, in the shape of a home's or an office's.
NETWORK = "net=192.168.1.0/24,host=192.168.1.1,dns=192.168.1.3,dhcpstart=192.168.1.20"
MIRROR = "http://192.168.1.1:{port}"
CARD = "ens8"           # where QEMU's machine puts it
WORDS = "console=ttyS0 norandmaps"
HOSTS = "127.0.0.1 localhost\n127.0.1.1 host\n"
INTERFACES = ("source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n"
              f"allow-hotplug {CARD}\niface {CARD} inet dhcp\n")
GRUB = ('GRUB_DEFAULT=0\nGRUB_TIMEOUT=1\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT="console=ttyS0"\n'
        'GRUB_CMDLINE_LINUX="norandmaps"\nGRUB_TERMINAL=serial\nGRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n')
AGENT = """[Unit]
Description=The lab's agent
After=multi-user.target
[Service]
ExecStart=/lab-agent /dev/ttyS1
[Install]
WantedBy=multi-user.target
"""
# A small initramfs: packages make it anew when they are installed, which takes minutes under emulation.
DRIVERS = "virtio_pci virtio_blk virtio_net ext4 xen-blkfront xen-netfront".split()
FILES = {"etc/hostname": "host\n", "etc/hosts": HOSTS, "etc/fstab": layout.FSTAB,
         "etc/initramfs-tools/conf.d/lab": "MODULES=list\nCOMPRESS=gzip\n",
         "etc/initramfs-tools/modules": "".join(f"{name}\n" for name in DRIVERS),
         "etc/default/grub": GRUB, "etc/network/interfaces": INTERFACES,
         "etc/systemd/system/lab-agent.service": AGENT}
AFTER = ["update-initramfs -u", "passwd -d root", "systemctl enable lab-agent.service", "mkdir -p /boot/efi"]


def _overlay(path):
    """The host's own files as a tar archive, all of them root's."""
    files = {name: (text.encode(), 0o644) for name, text in FILES.items()}
    files["lab-agent"] = ((paths.ASSETS / "dom0/lab-agent").read_bytes(), 0o755)
    with tarfile.open(path, "w") as archive:
        for name, (data, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))


def _sources():
    return "".join(packages.source_line(uri, suite) for uri, suite in packages.sources())


def _bootstrap(tree, scratch):
    """Debian in a directory, configured."""
    _overlay(scratch / "overlay.tar")
    suite = next(suite for _, suite in packages.sources() if suite.isalpha())
    command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=important", "--dpkgopt=force-unsafe-io",
               f"--include={','.join(packages.HOST)}", f"--customize-hook=tar-in {scratch}/overlay.tar /",
               *(f'--customize-hook=chroot "$1" {line}' for line in AFTER), suite, str(tree), "-"]
    result = subprocess.run(packages.as_root(command), input=_sources(), text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        raise LabError(f"mmdebstrap failed:\n{result.stdout[-4000:]}")


class Host:
    """The disk, made on first use. Whoever writes to it copies it first."""

    def __init__(self):
        packages.install(packages.IMAGES + packages.GRUB + packages.PARTITIONS + packages.BOOTSTRAP)
        with paths.locked():
            # What the packages are is the archive's of the day; their names are ours.
            name = image.digest(packages.HOST, *image.sources("dom0/lab-agent", "host.py", "disk.py"))
            self.disk = paths.LAB / f"host-{name}.img"
            self.kernel = self.disk.with_suffix(".vmlinuz")
            self.initrd = self.disk.with_suffix(".initrd")
            if not self.disk.exists():
                step("making a host's disk")
                for old in paths.LAB.glob("host-*"):
                    old.unlink()
                self._make()

    def _make(self):
        scratch = pathlib.Path(tempfile.mkdtemp(dir=paths.LAB))
        tree = scratch / "root"
        try:
            _bootstrap(tree, scratch)
            for path, name in ((self.kernel, "vmlinuz"), (self.initrd, "initrd.img")):
                shutil.copyfile(tree / (tree / name).readlink(), path)

            def root(disk, *options, size):
                subprocess.run(packages.as_root(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree),
                                                 *options, str(disk), size]), check=True)

            layout.make(self.disk, MEGABYTES, root)
        finally:
            subprocess.run(packages.as_root(["rm", "-rf", str(scratch)]), check=True)

    def copy(self, path):
        """A disk to write to."""
        return layout.copy(self.disk, path)

    def without_grub(self):
        """QEMU's options to start the disk's Linux where no GRUB is on it yet."""
        return layout.direct(self.kernel, self.initrd, WORDS)


def machine(name, disk, volumes, more=()):
    """A Machine that starts from such a disk, /dev/vda, with an empty one behind it, /dev/vdb."""
    packages.install(packages.RUN)
    made = Machine(name, memory=3072, cpus=2, reboots=True)
    made.command += map(str, [
        *grub.options(disk, "bios"),
        "-drive", f"file={volumes},format=raw,if=none,id=volumes,cache=unsafe,discard=unmap",
        "-device", "virtio-blk-pci,drive=volumes,addr=6",
        "-netdev", f"user,id=net0,{NETWORK}", "-device", "virtio-net-pci,netdev=net0,addr=8", *more])
    return made
