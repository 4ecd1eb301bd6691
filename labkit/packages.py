# SPDX-License-Identifier: MIT
"""Debian packages by name: those the lab needs on this machine, and the ones
its images are made of. The machine's own apt sources decide where they come
from; nothing here knows a mirror."""
import hashlib
import os
import pathlib
import re
import subprocess

from labkit import paths
from labkit.ui import LabError, step

# On this machine, one list for each purpose.
BUILD = ["make", "gcc", "libc6-dev", "binutils", "gzip", "libxen-dev",
         "liblzma-dev", "libzstd-dev", "zlib1g-dev", "liblz4-dev", "libcmocka-dev"]
IMAGES = ["kmod", "e2fsprogs", "fakeroot", "dpkg", "util-linux"]
RUN = ["qemu-system-x86"]
STATIC = ["cppcheck", "clang-tidy"]
PROOFS = ["cbmc"]   # labkit/cbmc.py
FUZZ = ["clang", "libclang-rt-14-dev"]
BENCH = ["python3-pygal"]
TEST = ["python3-pytest", "python3-pytest-xdist", "zstd", "lz4"]
GRUB = ["grub-common", "grub-pc-bin", "grub-efi-amd64-bin", "ovmf", "mtools"]
PARTITIONS = ["fdisk"]
BOOTSTRAP = ["mmdebstrap", "debian-archive-keyring"]
GDB = ["gdb"]

# Inside the images.
BASE = ["base-files", "base-passwd", "bash", "coreutils", "dash", "util-linux",
        "bsdutils", "mount", "sed", "grep", "mawk", "findutils", "hostname", "kmod",
        "e2fsprogs", "iproute2", "iputils-ping", "procps", "tar", "gzip",
        "libc-bin", "login", "ncurses-base", "ncurses-bin", "busybox"]
DOM0 = BASE + ["lvm2", "xen-utils-4.17", "xen-utils-common", "xenstore-utils",
               "perl-base", "ethtool", "linux-image-amd64"]
INSTALLED = DOM0 + ["dpkg", "diffutils", "grub2-common", "grub-pc-bin", "grub-efi-amd64-bin"]
HOST = ["systemd-sysv", "ifupdown", "isc-dhcp-client", "linux-image-amd64", "initramfs-tools", "grub2-common",
        "grub-pc-bin", "grub-efi-amd64-bin", "openssh-client"]
DEMO = BASE + ["dpkg", "stress-ng"]
INITRD = ["busybox-static"]
MEASURED = ["busybox-static", "gcc", "libc6-dev"]
XEN = ["xen-hypervisor-4.17-amd64"]


def as_root(command):
    """The command, with sudo if need be."""
    return command if os.geteuid() == 0 else ["sudo", *command]


def _apt_get(*arguments):
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = as_root(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", *arguments])
    result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            check=False)
    if result.returncode:
        raise LabError(f"apt-get {' '.join(arguments)} failed:\n{result.stdout}")


def _installed(names):
    """Those of the packages that this machine has. dpkg's status is 1 for one it does not know."""
    result = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", *names],
                            capture_output=True, text=True, check=False)
    return set(re.findall(r"^(\S+) installed$", result.stdout, re.M))


def install(names):
    """Install what is missing of `names` on this machine."""
    there = _installed(names)
    missing = [name for name in names if name not in there]
    if not missing:
        return
    step(f"installing {' '.join(missing)}")
    with paths.locked("apt"):
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", *missing)


def sources():
    """This machine's Debian archives, of their main part: (address, suite's code name) of each."""
    result = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)",
                             "Created-By: Packages"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise LabError(f"apt does not tell its sources:\n{result.stderr}")
    lines = [line.split() for line in result.stdout.splitlines() if "debian" in line]
    return [(uri, suite) for uri, suite, component in lines if component == "main"]


KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def source_line(uri, suite):
    """A line for sources.list."""
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    return f"deb {signed}{uri} {suite} main\n"


LISTS = pathlib.Path("/var/lib/apt/lists")


class Closure:
    """A set of packages with all they depend on, resolved by apt as if onto an
    empty system, so that the answer is the same on every machine."""

    def __init__(self, names):
        self.names = list(names)
        self.files = self._known() or self._resolve()

    def _remembered(self):
        """Where the answer is kept, for these names and apt's lists as they are."""
        lists = [(path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(LISTS.iterdir())]
        key = hashlib.sha256(repr((self.names, lists)).encode()).hexdigest()[:16]
        return paths.LAB / "apt" / "closures" / key

    def _known(self):
        """The answer given before: apt takes seconds for it."""
        try:
            return self._remembered().read_text(encoding="ascii").split()
        except FileNotFoundError:
            return []

    def _remember(self, names):
        path = self._remembered()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text("\n".join(names), encoding="ascii")
        partial.rename(path)

    @staticmethod
    def _options(archives):
        """Options that give apt-get an empty system and directories of our own."""
        cache = paths.LAB / "apt"
        (cache / archives / "partial").mkdir(parents=True, exist_ok=True)
        status = cache / "empty-status"
        status.touch()
        return ["-o", f"Dir::State::status={status}", "-o", f"Dir::Cache={cache}",
                "-o", f"Dir::Cache::archives={cache}/{archives}",
                "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root",
                "-o", "APT::Architecture=amd64", "-o", "APT::Keep-Downloaded-Packages=1",
                "--no-install-recommends", "-y", "-q"]

    def _resolve(self):
        # An archive that stays empty, as apt prints only what it would download.
        command = ["apt-get", *self._options("none"), "--print-uris", "install", *self.names]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            step("reading Debian's package lists")
            with paths.locked("apt"):
                _apt_get("update")
            result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise LabError(f"apt cannot resolve {' '.join(self.names)}:\n{result.stderr}")
        # Lines are: 'URI' FILE SIZE HASH.
        names = sorted(re.findall(r"^'[^']*' (\S+\.deb) \d+", result.stdout, re.M))
        self._remember(names)
        return names

    def fetch(self):
        """Download every package; return the paths of the .deb files."""
        archives = paths.LAB / "apt" / "archives"
        missing = [name for name in self.files if not (archives / name).exists()]
        if missing:
            step(f"downloading {len(missing)} Debian packages")
            command = ["apt-get", *self._options("archives"), "--download-only", "install", *self.names]
            result = subprocess.run(command, capture_output=True, text=True,
                                    stdin=subprocess.DEVNULL, check=False)
            if result.returncode:
                raise LabError(f"apt-get could not download:\n{result.stderr}")
        return [archives / name for name in self.files]


def unpack(debs, tree):
    """Unpack packages into a tree laid out as Debian's merged /usr, unconfigured.
    Returns for each the names that were in it."""
    listing = {}
    for name in ("bin", "sbin", "lib", "lib64", "lib32"):
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (tree / name).is_symlink():
            (tree / name).symlink_to(f"usr/{name}")
    for deb in debs:
        # Not dpkg-deb -x, which puts directories in place of the links above.
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)],
                              stdout=subprocess.PIPE) as archive:
            names = subprocess.run(["tar", "-xv", "--keep-directory-symlink", "-C", str(tree)],
                                   stdin=archive.stdout, stdout=subprocess.PIPE, text=True,
                                   check=True).stdout
        if archive.returncode:
            raise LabError(f"cannot unpack {deb}")
        listing[deb] = names.splitlines()
    return listing


def record(listing, tree):
    """Make dpkg's database, as if dpkg had installed what unpack() did."""
    base = tree / "var/lib/dpkg"
    for name in ("info", "updates"):
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "info/format").write_text("1\n", encoding="ascii")
    status = []
    for deb, names in listing.items():
        control = subprocess.run(["dpkg-deb", "-f", str(deb)], capture_output=True, text=True,
                                 check=True).stdout
        field = dict(re.findall(r"^([A-Z][\w-]*): *(.*)$", control, re.M))
        status.append(control.replace("\n", "\nStatus: install ok installed\n", 1))
        same = field.get("Multi-Arch") == "same"
        name = field["Package"] + (f":{field['Architecture']}" if same else "")
        # tar says ./usr/bin/ where dpkg wants /usr/bin, and /. for the top.
        lines = ["/" + line.removeprefix("./").rstrip("/") for line in names]
        (base / "info" / f"{name}.list").write_text(
            "".join(f"{line if line != '/' else '/.'}\n" for line in lines), encoding="utf-8")
    (base / "status").write_text("\n".join(status), encoding="utf-8")
