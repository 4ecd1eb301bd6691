# SPDX-License-Identifier: MIT
"""Domain 0's image: an initramfs of Debian packages with the lab's own few
scripts, and the kernel that goes with it. Made once for each recipe, where the
recipe is the packages' versions and the lab's files."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from labkit import cpio, modules, packages, paths
from labkit.ui import LabError, step

# Parts of the packages that no domain here reads.
UNUSED = """usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/lintian
    usr/share/bash-completion usr/share/i18n usr/share/zoneinfo usr/share/gcc usr/share/common-licenses
    usr/share/initramfs-tools usr/share/perl usr/share/perl5 usr/share/mime usr/share/gdb
    usr/lib/python3 usr/lib/python3.11 usr/lib/udev/hwdb.d usr/lib/systemd usr/share/pixmaps
    usr/share/awk usr/lib/x86_64-linux-gnu/perl usr/lib/x86_64-linux-gnu/gconv
    usr/share/qemu usr/lib/ipxe boot lib/modules var/cache usr/share/python3""".split()
UNUSED_FILES = ["usr/bin/python3.11", "usr/bin/python3", "usr/bin/perl", "usr/lib/locale/C.utf8"]


def digest(*parts):
    """One short name for everything a made thing depends on."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, pathlib.Path) else repr(part).encode()
        total.update(hashlib.sha256(data).digest())
    return total.hexdigest()[:16]


def sources(*names):
    """The lab's own files that go into an image, for its digest."""
    found = []
    for name in names:
        path = paths.ASSETS / name
        found += sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return found


def _drop(tree, names):
    for name in names:
        path = tree / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.exists():
            path.unlink()


def prepare_root(tree, host, dropped=(*UNUSED, *UNUSED_FILES)):
    """What the packages' own configuration would have done and a lab needs."""
    _drop(tree, dropped)
    for name in ("proc", "sys", "dev", "run", "tmp", "mnt", "root", "lab", "var"):
        (tree / name).mkdir(parents=True, exist_ok=True)
    for name in ("var/run", "var/lock"):
        _drop(tree, [name])
    _link(tree, "var/run", "../run")
    _link(tree, "var/lock", "../run/lock")
    etc = tree / "etc"
    for name in ("passwd", "group"):
        shutil.copyfile(tree / "usr/share/base-passwd" / f"{name}.master", etc / name)
    (etc / "passwd").write_text(
        (etc / "passwd").read_text(encoding="ascii").replace("root:*:", "root::"),
        encoding="ascii")
    (etc / "hostname").write_text(f"{host}\n", encoding="ascii")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {host}\n", encoding="ascii")
    (etc / "fstab").write_text("", encoding="ascii")
    (etc / "inputrc").write_text("set enable-bracketed-paste off\n", encoding="ascii")
    (tree / "root/.bashrc").write_text(f"PS1='{host}# '\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n",
                                       encoding="ascii")
    _link(tree, "usr/bin/awk", "mawk")
    _link(tree, "usr/bin/which", "which.debianutils")
    _link(tree, "usr/bin/nc", "busybox")
    for name in ("init", "poweroff", "reboot", "halt"):
        _link(tree, f"usr/sbin/{name}", "../bin/busybox")


def _link(tree, name, target):
    path = tree / name
    if not path.is_symlink() and not path.exists():
        path.symlink_to(target)


def install_assets(tree, names):
    """Copy the lab's files: {asset: place in the tree}."""
    for asset, place in names.items():
        destination = tree / place
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ASSETS / asset, destination)


def lvm_without_udev(tree):
    """lvm waits for udev by default; there is none here."""
    path = tree / "etc/lvm/lvmlocal.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("activation { udev_sync = 0 udev_rules = 0 }\n"
                    "devices { obtain_device_list_from_udev = 0 }\n"
                    "backup { backup = 0 archive = 0 }\n", encoding="ascii")


DOM0_FILES = {"dom0/lab-volume": "lab-volume", "dom0/lab-demo": "lab-demo",
              "dom0/demo.cfg": "etc/xen/demo.cfg", "dom0/domu-run": "usr/bin/domu-run",
              "dom0/init": "init", "dom0/inittab": "etc/inittab",
              "dom0/lab-start": "lab-start", "dom0/lab-ready": "lab-ready",
              "dom0/lab-console": "lab-console", "dom0/lab-stop": "lab-stop",
              "dom0/lab-agent": "lab-agent"}

# A guest's console and its agent are those of domain 0.
GUEST_FILES = {"domu/inittab": "etc/inittab", "domu/lab-start": "lab-start",
               "dom0/lab-console": "lab-console", "dom0/lab-stop": "lab-stop",
               "dom0/lab-agent": "lab-agent"}


class Kernel:
    """Debian's kernel package, unpacked: the bzImage and its modules."""

    def __init__(self, debs):
        deb = next(d for d in debs if d.name.startswith("linux-image-6"))
        self.tree = paths.LAB / "linux" / deb.stem
        if not (self.tree / "lab-complete").exists():
            step(f"unpacking {deb.stem.split('_')[0]}")
            shutil.rmtree(self.tree, ignore_errors=True)
            self.tree.mkdir(parents=True)
            subprocess.run(["dpkg-deb", "-x", str(deb), str(self.tree)], check=True)
            modules.index(self.tree)
            (self.tree / "lab-complete").touch()
        self.image = self.tree / "boot" / f"vmlinuz-{modules.release(self.tree)}"


class Dom0:
    """The parts QEMU boots domain 0 from, made on first use."""

    def __init__(self):
        packages.install(packages.IMAGES)
        with paths.locked():
            closure = packages.Closure(packages.DOM0)
            static = packages.Closure(packages.INITRD)
            code = sources("dom0", "domu/init", "image.py", "cpio.py", "modules.py", "packages.py")
            name = digest(closure.files, static.files, *code)
            debs = closure.fetch()
            self.kernel = Kernel(debs)
            self.tree = paths.LAB / f"dom0-{name}"
            self.initrd = paths.LAB / f"dom0-{name}.cpio"
            if not self.initrd.exists():
                self._make(debs, next(d for d in static.fetch() if d.name.startswith("busybox")))

    def _make(self, debs, static):
        step("making domain 0's image")
        for old in paths.LAB.glob("dom0-*"):
            # Another lab may still run from it: its open files live on.
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        packages.unpack([d for d in debs if not d.name.startswith("linux-image")], self.tree)
        prepare_root(self.tree, "dom0")
        lvm_without_udev(self.tree)
        install_assets(self.tree, DOM0_FILES)
        modules.copy(self.kernel.tree, self.tree, modules.DOM0)
        (self.tree / "boot").mkdir()
        shutil.copyfile(self.kernel.image, self.tree / "boot/vmlinuz")
        small_initrd(self.kernel, static, self.tree / "boot/guest-initrd", modules.DOMU)
        partial = self.initrd.with_suffix(".partial")
        with cpio.Writer(partial) as archive:
            archive.tree(self.tree)
            archive.node("dev/console", 5, 1)
            archive.node("dev/null", 1, 3, 0o666)
        partial.rename(self.initrd)


def small_initrd(kernel, busybox, target, drivers):
    """The small initramfs that finds a root disk, with the drivers for that."""
    needed = [modules.content(path) for path in modules.load_order(kernel.tree, drivers)]
    with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
        subprocess.run(["dpkg-deb", "-x", str(busybox), scratch], check=True)
        program = pathlib.Path(scratch, "bin/busybox").read_bytes()
    with cpio.Writer(target) as archive:
        for name in ("bin", "proc", "sys", "dev", "mnt", "lib"):
            archive.directory(name)
        archive.node("dev/console", 5, 1)
        archive.node("dev/null", 1, 3, 0o666)
        archive.file("bin/busybox", program, 0o755)
        archive.file("init", (paths.ASSETS / "domu/init").read_bytes(), 0o755)
        for name, data in needed:
            archive.file(f"lib/{name}", data)
        archive.file("modules", "".join(f"/lib/{name}\n" for name, _ in needed).encode())


def guest_root():
    """A guest's root file system, as an ext4 image made of Debian packages."""
    packages.install(packages.IMAGES)
    with paths.locked():
        closure = packages.Closure(packages.DEMO)
        name = digest(closure.files, *sources("dom0", "domu", "image.py", "packages.py"))
        target = paths.LAB / f"guest-{name}.img"
        if target.exists():
            return target
        debs = closure.fetch()
        step("making the guest's root")
        for old in paths.LAB.glob("guest-*.img"):
            old.unlink()
        with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
            tree = pathlib.Path(scratch, "root")
            packages.unpack(debs, tree)
            prepare_root(tree, "guest")
            install_assets(tree, GUEST_FILES)
            disk_from_tree(tree, target, megabytes=512)
        return target


def dom0_disk(dom0):
    """Domain 0's tree as the file system of a disk; cached beside the initramfs."""
    target = dom0.initrd.with_suffix(".img")
    with paths.locked():
        if not target.exists():
            step("making domain 0's disk")
            disk_from_tree(dom0.tree, target, megabytes=768)
    return target


def disk_from_tree(tree, target, megabytes):
    """A file that is an ext4 file system with a tree's files."""
    partial = target.with_suffix(".partial")
    with open(partial, "wb") as disk:
        disk.truncate(megabytes << 20)
    file_system(tree, partial)
    partial.rename(target)


def file_system(tree, path, *options, size=""):
    """An ext4 file system in a file that is there, with a tree's files, all of
    them root's; `options` and `size` are mke2fs's."""
    # fakeroot, so that it works for everyone and writes owner 0 all the same.
    script = 'tree=$1; shift; chown -R 0:0 "$tree" && exec mke2fs -q -F -t ext4 -d "$tree" "$@"'
    words = [*options, str(path), *([size] if size else [])]
    subprocess.run(["fakeroot", "sh", "-c", script, "sh", str(tree), *words], check=True,
                   env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin"))


def overlay(path, files):
    """A second archive for the initrd. `files`: place -> bytes or (bytes, mode)."""
    made = set()
    with cpio.Writer(path) as archive:
        for name, content in files.items():
            data, mode = content if isinstance(content, tuple) else (content, 0o644)
            for parent in reversed(pathlib.PurePath(name).parents[:-1]):
                if parent not in made:
                    made.add(parent)
                    archive.directory(str(parent))
            archive.file(name, data, mode)


def join(path, *archives):
    """Concatenate archives: the kernel unpacks them one over the other."""
    with open(path, "wb") as target:
        for archive in archives:
            with open(archive, "rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
    return path


def debian_xen():
    """Debian's own hypervisor, as an ELF that QEMU's -kernel takes."""
    with paths.locked():
        closure = packages.Closure(packages.XEN)
        deb = next(d for d in closure.fetch() if d.name.startswith("xen-hypervisor"))
        target = paths.LAB / f"{deb.stem}.elf"
        if target.exists():
            return target
        step("unpacking Debian's Xen")
        with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
            subprocess.run(["dpkg-deb", "-x", str(deb), scratch], check=True)
            images = sorted(pathlib.Path(scratch, "boot").glob("xen-4.17-amd64.gz"))
            if not images:
                raise LabError(f"no hypervisor in {deb.name}")
            plain = subprocess.run(["gzip", "-dc", str(images[0])], check=True,
                                   capture_output=True).stdout
        partial = target.with_suffix(".partial")
        partial.write_bytes(plain)
        partial.rename(target)
        return target
