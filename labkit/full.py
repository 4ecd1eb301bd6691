# SPDX-License-Identifier: MIT
"""Domain 0 as people have it: Python, QEMU as a disk backend, NBD, boot loaders
for guests, libvirt. Too much for an initramfs, so its root is a disk, made once
for each recipe; the ordinary initramfs finds it (lab.root=)."""
import pathlib
import shutil
import tempfile

from labkit import image, modules, packages, paths
from labkit.ui import step

MORE = ["python3", "qemu-system-xen", "qemu-utils", "nbd-server", "nbd-client", "grub-xen-host",
        "libvirt-daemon", "libvirt-clients", "libvirt-daemon-driver-xen"]
MODULES = modules.DOM0 + ["nbd"]

# What only other kinds of guests need: firmware, the other drivers of libvirt.
# QEMU reads its keymaps even where it has no keyboard.
UNUSED = [name for name in image.UNUSED
          if not name.startswith("usr/lib/python3") and name != "usr/share/qemu"] + """
    usr/lib/python3.11/ensurepip usr/lib/python3.11/lib2to3 usr/lib/python3.11/pydoc_data
    usr/lib/grub usr/share/grub usr/lib/xen-4.17/boot usr/share/seabios usr/lib/ipxe usr/share/iso-codes
    usr/share/xml usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so""".split()
UNUSED_FILES = [name for name in image.UNUSED_FILES if "python" not in name]

FILES = {**image.DOM0_FILES, "full/libvirtd.conf": "etc/libvirt/libvirtd.conf"}
MEGABYTES = 768


def packages_of():
    """The packages of this root."""
    return packages.Closure(packages.DOM0 + MORE)


def _make(target, closure, dom0):
    with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
        tree = pathlib.Path(scratch, "root")
        packages.unpack([d for d in closure.fetch() if not d.name.startswith("linux-image")], tree)
        image.prepare_root(tree, "dom0", UNUSED + UNUSED_FILES)
        image.lvm_without_udev(tree)
        image.install_assets(tree, FILES)
        modules.copy(dom0.kernel.tree, tree, MODULES)
        shutil.copytree(dom0.tree / "boot", tree / "boot")
        image.disk_from_tree(tree, target, MEGABYTES)


def disk(dom0):
    """The root as a disk image, which nobody may write to."""
    packages.install(packages.IMAGES)
    with paths.locked():
        closure = packages_of()
        name = image.digest(closure.files, dom0.initrd.name,
                            *image.sources("dom0", "full", "full.py", "image.py", "packages.py"))
        target = paths.LAB / f"full-{name}.img"
        if not target.exists():
            step("making domain 0's full root")
            for old in paths.LAB.glob("full-*.img"):
                old.unlink()
            _make(target, closure, dom0)
    return target


def options(dom0):
    """QEMU's options for the disk, which has to be the first: /dev/vda. What is
    written to it is forgotten with the machine."""
    return ["-drive", f"file={disk(dom0)},format=raw,if=none,id=full,snapshot=on,cache=unsafe",
            "-device", "virtio-blk-pci,drive=full,serial=full"]
