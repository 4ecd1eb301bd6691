# SPDX-License-Identifier: MIT
"""Picks kernel modules, with all they depend on, out of Debian's kernel package."""
import lzma
import pathlib
import shutil
import subprocess

DOM0 = """xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkback xen-netback xenfs
    virtio_pci virtio_blk virtio_net ahci ata_piix sd_mod nvme e1000 e1000e
    ext4 crc32c_generic crc32c-intel dm-mod loop bridge tun nls_cp437 nls_ascii
    vfat""".split()
DOMU = "xen-blkfront xen-netfront ext4 crc32c_generic crc32c-intel".split()
INSTALLED = "virtio_pci virtio_blk ext4 crc32c_generic crc32c-intel".split()


def _key(name):
    return name.replace("-", "_")


def _name(path):
    """Of a module's file, which newer kernels have packed."""
    return _key(pathlib.Path(path).name.split(".")[0])


def content(path):
    """(File name, bytes) of a module, unpacked."""
    data = path.read_bytes()
    return (path.stem, lzma.decompress(data)) if path.suffix == ".xz" else (path.name, data)


def release(tree):
    """The kernel release of an unpacked linux-image package."""
    names = sorted(path.name for path in (tree / "lib" / "modules").iterdir())
    return names[-1]


def _dependencies(base):
    """Module name -> (its path below `base`, the paths it needs, deepest last)."""
    table = {}
    for line in (base / "modules.dep").read_text(encoding="ascii").splitlines():
        own, _, needs = line.partition(":")
        table[_name(own)] = (own, needs.split())
    return table


def index(tree):
    """Make modules.dep and the rest of modprobe's tables."""
    subprocess.run(["/sbin/depmod", "-b", str(tree), release(tree)], check=True)


def load_order(tree, names):
    """Paths of the modules `names` and their needs, each after what it needs."""
    base = tree / "lib" / "modules" / release(tree)
    table = _dependencies(base)
    builtin = {_name(line)
               for line in (base / "modules.builtin").read_text(encoding="ascii").split()}
    order = []
    for name in names:
        if _key(name) in builtin:
            continue
        own, needs = table[_key(name)]
        order += [path for path in [*reversed(needs), own] if path not in order]
    return [base / path for path in order]


def copy(tree, target, names):
    """Copy modules and their needs to `target` and index them there."""
    version = release(tree)
    base = tree / "lib" / "modules" / version
    where = target / "lib" / "modules" / version
    for path in load_order(tree, names):
        destination = where / path.relative_to(base)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(base / name, where / name)
    index(target)
