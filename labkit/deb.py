# SPDX-License-Identifier: MIT
"""`./lab deb`: the hypervisor as a Debian package, from the few files in labkit/deb.

In /boot its name begins with "xen", which is what GRUB's own menu script looks
for, and has no version in it: an upgrade replaces the file in one step, and the
menu, which is written anew only later, never names one that is gone."""
import datetime
import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import textwrap

from labkit import packages, paths
from labkit.ui import LabError

PACKAGE = "zelo-hypervisor"
IMAGE = "boot/xen-zelo.gz"
FILES = paths.ASSETS / "deb"
DOC = f"usr/share/doc/{PACKAGE}"
VERSION_HEADER = paths.ROOT / "hypervisor" / "include" / "zelo" / "debug.h"


def version():
    """The hypervisor's own version, which is the package's."""
    match = re.search(r'^#define ZELO_VERSION "([0-9][A-Za-z0-9.+~]*)"$',
                      VERSION_HEADER.read_text(encoding="ascii"), re.M)
    if not match:
        raise LabError(f"no version in {VERSION_HEADER}")
    return match[1]


def _git(*arguments):
    """One line from git; empty where the sources come without their history."""
    result = subprocess.run(["git", "-C", str(paths.ROOT), *arguments], capture_output=True,
                            text=True, check=False)
    return result.stdout.strip()


def _date():
    """When the sources were made what they are, in seconds."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
               or datetime.datetime.now().timestamp())


def _maintainer():
    """Whoever builds says so as for any Debian package."""
    name = os.environ.get("DEBFULLNAME", "The Zelo developers")
    return f"{name} <{os.environ.get('DEBEMAIL', 'zelo@zelo.invalid')}>"


def _changelog():
    date = datetime.datetime.fromtimestamp(_date(), datetime.timezone.utc)
    commit = _git("rev-parse", "--short", "HEAD")
    return (f"{PACKAGE} ({version()}) unstable; urgency=medium\n\n"
            f"  * Built from {f'commit {commit}' if commit else 'a tree without history'}.\n\n"
            f" -- {_maintainer()}  {date:%a, %d %b %Y %H:%M:%S +0000}\n")


def _copyright():
    """With the text of LICENSE, as the format wants it: indented, no empty lines."""
    text = (paths.ROOT / "LICENSE").read_text(encoding="ascii").split("\n\n", 2)[2].strip()
    lines = textwrap.indent("\n".join(line or "." for line in text.split("\n")), " ")
    return (FILES / "copyright").read_text(encoding="ascii").replace("@LICENSE@", lines)


def _put(tree, place, content, mode=0o644):
    path = tree / place
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pathlib.Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)
    path.chmod(mode)


def _packed(text):
    return gzip.compress(text.encode(), 9, mtime=0)


def _contents(tree, hypervisor):
    _put(tree, IMAGE, hypervisor)
    _put(tree, "etc/default/grub.d/zelo.cfg", FILES / "zelo.cfg")
    _put(tree, f"{DOC}/copyright", _copyright().encode())
    _put(tree, f"{DOC}/changelog.gz", _packed(_changelog()))
    caveats = (paths.ROOT / "docs" / "caveats.md").read_text(encoding="utf-8")
    _put(tree, f"{DOC}/caveats.md.gz", _packed(caveats))


def _control(tree):
    """What dpkg reads, from the contents that are there."""
    files = sorted(path.relative_to(tree) for path in tree.rglob("*") if path.is_file())
    conffiles = [f"/{name}\n" for name in files if name.parts[0] == "etc"]
    sums = [f"{hashlib.md5((tree / name).read_bytes()).hexdigest()}  {name}\n"
            for name in files if name.parts[0] != "etc"]
    # As dpkg counts: each file in whole KiB, each directory as one.
    size = sum(-(-path.stat().st_size // 1024) if path.is_file() else 1 for path in tree.rglob("*"))
    control = (FILES / "control").read_text(encoding="ascii")
    for name, value in (("VERSION", version()), ("MAINTAINER", _maintainer()), ("SIZE", str(size))):
        control = control.replace(f"@{name}@", value)
    _put(tree, "DEBIAN/control", control.encode())
    _put(tree, "DEBIAN/conffiles", "".join(conffiles).encode())
    _put(tree, "DEBIAN/md5sums", "".join(sums).encode())
    for name in ("postinst", "postrm"):
        _put(tree, f"DEBIAN/{name}", FILES / name, 0o755)


def make(directory, hypervisor):
    """The package of a gzipped hypervisor, in `directory`; returns its path."""
    packages.install(["dpkg"])
    target = directory / f"{PACKAGE}_{version()}_amd64.deb"
    with tempfile.TemporaryDirectory(prefix="lab-") as scratch:
        tree = pathlib.Path(scratch, "tree")
        _contents(tree, hypervisor)
        _control(tree)
        for path in (tree, *tree.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        result = subprocess.run(
            ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(target)],
            env=dict(os.environ, SOURCE_DATE_EPOCH=str(_date())), capture_output=True, text=True,
            check=False)
    if result.returncode:
        raise LabError(f"dpkg-deb failed:\n{result.stderr}")
    return target
