# SPDX-License-Identifier: MIT
"""What measures a guest's disk and network, of Debian packages: fio and iperf3 with
the libraries they need and nothing else, and a disk in domain 0's memory."""
import pathlib
import re
import subprocess
import tempfile

from labkit import modules, packages, paths
from labkit.image import digest
from labkit.ui import LabError, step

PROGRAMS = ["fio", "iperf3"]    # packages, and their programs
LOADER = "lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def _needed(path):
    """The libraries that an ELF file names."""
    told = subprocess.run(["readelf", "-d", str(path)], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", told)


def _place(tree, name):
    """Where a library lies: among the others, or where a library's own search path says."""
    places = sorted((tree / LIBRARIES).rglob(name), key=lambda path: len(path.parts))
    if not places:
        raise LabError(f"no library {name} in the packages")
    return str(places[0].relative_to(tree))


def _closure(tree, program):
    """A program and all libraries it loads, as places below the tree."""
    found = dict.fromkeys([f"usr/bin/{program}", LOADER])
    waiting = [f"usr/bin/{program}"]
    while waiting:
        for name in _needed(tree / waiting.pop()):
            place = _place(tree, name)
            if place not in found:
                found[place] = None
                waiting.append(place)
    return list(found)


def _unpack(target, debs):
    """Keep in the directory `target`, in one of its own for each program, what it needs of the packages."""
    step(f"unpacking {' and '.join(PROGRAMS)}")
    with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
        tree = pathlib.Path(scratch, "tree")
        packages.unpack(debs, tree)
        for program in PROGRAMS:
            for place in _closure(tree, program):
                kept = pathlib.Path(scratch, "kept", program, place)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes((tree / place).read_bytes())
        pathlib.Path(scratch, "kept").rename(target)


def files(program):
    """One of them, as files of an archive: {place: (bytes, mode)}."""
    with paths.locked():
        closure = packages.Closure(PROGRAMS)
        target = paths.LAB / f"tools-{digest(closure.files, PROGRAMS, pathlib.Path(__file__))}"
        if not target.exists():
            _unpack(target, closure.fetch())
    tree = target / program
    return {str(path.relative_to(tree)): (path.read_bytes(), 0o755)
            for path in sorted(tree.rglob("*")) if path.is_file()}


def ram_disk(dom0):
    """The kernel's driver of disks in memory."""
    path = modules.load_order(dom0.kernel.tree, ["brd"])[-1]
    return {"lab/brd.ko": modules.content(path)[1]}
