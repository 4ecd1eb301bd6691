# SPDX-License-Identifier: MIT
"""The newest kernel and the newest QEMU that Debian has packaged for this release:
those of its backports, from wherever this machine has Debian from."""
import re
import shutil
import subprocess

from labkit import image, modules, packages, paths
from labkit.ui import LabError, step

META = "linux-image-amd64"
QEMU = ["qemu-system-x86", "qemu-system-common", "qemu-system-data"]


def _output(command, why, cwd=None):
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd,
                            stdin=subprocess.DEVNULL)
    if result.returncode:
        raise LabError(f"{why}:\n{result.stderr}")
    return result.stdout


def _source():
    """The line for sources.list, made of the machine's own."""
    for uri, name in packages.sources():
        if re.fullmatch(r"[a-z]+", name):
            return packages.source_line(uri, f"{name}-backports")
    raise LabError("this machine has no Debian source to take backports from")


def _options(cache):
    for name in ("lists/partial", "archives/partial"):
        (cache / name).mkdir(parents=True, exist_ok=True)
    (cache / "sources.list").write_text(_source(), encoding="ascii")
    return ["-q", "-o", f"Dir::Etc::sourcelist={cache}/sources.list", "-o", "Dir::Etc::sourceparts=-",
            "-o", f"Dir::State::lists={cache}/lists", "-o", f"Dir::Cache={cache}",
            "-o", "APT::Sandbox::User=root"]


def _updated():
    """Where files of backports go, and apt's options, once apt knows what there is."""
    cache = paths.LAB / "apt" / "backports"
    options = _options(cache)
    _output(["apt-get", *options, "update"], "apt cannot read Debian's backports")
    return cache, options


def _download(cache, options, name):
    """The package's file."""
    if not list(cache.glob(f"{name}_*.deb")):
        step(f"downloading {name}")
        _output(["apt-get", *options, "download", name], f"apt-get could not download {name}", cache)
    return max(cache.glob(f"{name}_*.deb"))


def kernel():
    """Debian's newest kernel, unpacked: an image.Kernel."""
    packages.install(packages.IMAGES)
    with paths.locked():
        cache, options = _updated()
        about = _output(["apt-cache", *options, "show", META], "no kernel in Debian's backports")
        name = re.search(r"^Depends: (linux-image-\S+)", about, re.M)[1]
        return image.Kernel([_download(cache, options, name)])


def qemu():
    """Debian's newest QEMU, unpacked beside the installed one, whose libraries it
    uses: the words that start it."""
    packages.install(packages.IMAGES + packages.RUN)
    with paths.locked():
        tree = paths.LAB / "qemu"
        if not tree.exists():
            cache, options = _updated()
            for old in cache.glob("qemu-*.deb"):
                old.unlink()                    # the three are of one version
            partial = tree.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            for name in QEMU:
                _output(["dpkg-deb", "-x", str(_download(cache, options, name)), str(partial)], f"{name} is broken")
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
