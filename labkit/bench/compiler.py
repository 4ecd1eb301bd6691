# SPDX-License-Identifier: MIT
"""Debian's gcc with all it needs, as an archive to put over an initrd."""
import pathlib
import shutil
import tempfile

from labkit import cpio, image, packages, paths
from labkit.ui import step

# Languages, checkers and tools that the build of a C program has no use for.
UNUSED = """usr/share usr/sbin usr/lib/debug usr/bin/*lto* usr/bin/*gcov* usr/bin/*gold* usr/bin/*dwp*
    usr/bin/*gp-* usr/bin/*cpp* usr/bin/*readelf* usr/bin/*obj* usr/lib/gcc/*/*/lto* usr/lib/gcc/*/*/*san*
    usr/lib/*/*san.so* usr/lib/*/gprofng usr/lib/*/gconv usr/lib/*/libgprofng* usr/lib/*/perl* var etc""".split()


def _make(debs, target):
    with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
        tree = pathlib.Path(scratch, "root")
        packages.unpack(debs, tree)
        for pattern in UNUSED:
            for path in tree.glob(pattern):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
        partial = target.with_suffix(".partial")
        with cpio.Writer(partial) as archive:
            archive.tree(tree)
        partial.rename(target)


def archive():
    """The archive's path; made once for each set of packages."""
    packages.install(packages.IMAGES)
    with paths.locked():
        closure = packages.Closure(packages.COMPILER)
        target = paths.LAB / f"compiler-{image.digest(closure.files, pathlib.Path(__file__))}.cpio"
        if not target.exists():
            debs = closure.fetch()
            step("making the compiler's archive")
            for old in paths.LAB.glob("compiler-*.cpio"):
                old.unlink()
            _make(debs, target)
        return target
