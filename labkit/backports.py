# SPDX-License-Identifier: MIT
"""The newest kernel and the newest QEMU that Debian has packaged for this release:
those of its backports, from wherever this machine has Debian from."""
import re
import shutil

from labkit import image, modules, packages, paths, suites

META = "linux-image-amd64"
QEMU = ["qemu-system-x86", "qemu-system-common", "qemu-system-data"]


def _suite():
    """Debian's backports for this release, as they are now."""
    suite = suites.Suite("{release}-backports", "backports")
    suite.update()
    return suite


def kernel():
    """Debian's newest kernel, unpacked: an image.Kernel."""
    packages.install(packages.IMAGES)
    with paths.locked():
        suite = _suite()
        name = re.search(r"^Depends: (linux-image-\S+)", suite.show(META), re.M)[1]
        return image.Kernel(suite.fetch([name]))


def qemu():
    """Debian's newest QEMU, unpacked beside the installed one, whose libraries it
    uses: the words that start it."""
    packages.install(packages.IMAGES + packages.RUN)
    with paths.locked():
        tree = paths.LAB / "qemu"
        if not tree.exists():
            suite = _suite()
            suite.forget("qemu-")               # the three are of one version
            partial = tree.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            packages.unpack(suite.fetch(QEMU), partial)
            partial.rename(tree)
    return ["env", f"QEMU_MODULE_DIR={tree}/usr/lib/x86_64-linux-gnu/qemu",
            f"{tree}/usr/bin/qemu-system-x86_64", "-L", f"{tree}/usr/share/qemu"]


def guest_files():
    """The kernel and the initramfs for guests: {name: bytes}."""
    new = kernel()
    target = new.tree / "guest-initrd"
    if not target.exists():
        static = packages.Closure(packages.INITRD)
        busybox = next(d for d in static.fetch() if d.name.startswith("busybox"))
        image.small_initrd(new, busybox, target, modules.DOMU)
    return {"vmlinuz": new.image.read_bytes(), "initrd": target.read_bytes()}
