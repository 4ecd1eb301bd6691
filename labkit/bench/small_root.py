# SPDX-License-Identifier: MIT
"""The root that Linux is measured in, as an initrd: Debian's busybox, and its gcc with all that needs."""
import pathlib
import shutil
import tempfile

from labkit import cpio, image, packages, paths
from labkit.ui import step

# Languages, checkers and tools that the build of a C program has no use for.
UNUSED = """usr/share usr/sbin usr/lib/debug usr/bin/*lto* usr/bin/*gcov* usr/bin/*gold* usr/bin/*dwp*
    usr/bin/*gp-* usr/bin/*cpp* usr/bin/*readelf* usr/bin/*obj* usr/lib/gcc/*/*/lto* usr/lib/gcc/*/*/*san*
    usr/lib/*/*san.so* usr/lib/*/gprofng usr/lib/*/gconv usr/lib/*/libgprofng* usr/lib/*/perl* var etc
    usr/lib/*/lib[abd-z]*.a usr/lib/*/libc[!_]*.a usr/lib/*/libc.a usr/lib/gcc/*/*/lib[abd-fh-z]*.a
    usr/lib/gcc/*/*/libgomp.a usr/lib/*/libcrypto* usr/lib/*/libssl* usr/lib/*/libk* usr/lib/*/libgssapi*
    usr/lib/*/libnsl* usr/lib/*/libtirpc* usr/lib/*/libgomp* usr/lib/*/libquadmath*""".split()


def _make(debs, target):
    with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
        tree = pathlib.Path(scratch, "root")
        packages.unpack(debs, tree)
        for pattern in UNUSED:
            for path in list(tree.glob(pattern)):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        partial = target.with_suffix(".partial")
        with cpio.Writer(partial) as archive:
            archive.tree(tree)
            for name in ("proc", "sys", "dev", "tmp"):
                archive.directory(name)
            archive.node("dev/console", 5, 1)
        partial.rename(target)


def archive():
    """The archive's path; made once for each set of packages."""
    packages.install(packages.IMAGES)
    with paths.locked():
        closure = packages.Closure(packages.MEASURED)
        target = paths.LAB / f"measured-{image.digest(closure.files, pathlib.Path(__file__))}.cpio"
        if not target.exists():
            debs = closure.fetch()
            step("making the measured Linux's root")
            for old in paths.LAB.glob("measured-*.cpio"):
                old.unlink()
            _make(debs, target)
        return target
