# SPDX-License-Identifier: MIT
"""A machine whose instructions are counted: bench/counter.c between bench/mark.h's
marks, and the programs' own lines that say what was measured."""
import dataclasses
import pathlib
import re

from labkit import image, lab, paths
from labkit.lab import make
from labkit.ui import LabError

COUNTER = paths.ROOT / "build" / "bench" / "counter.so"
# Where a hypervisor of the Xen ABI may lie (public/arch-x86/xen-x86_64.h).
HYPERVISOR = "0xffff800000000000-0xffff880000000000"
# What a program says of each of its measurements, in their order: a name, and how
# often it did the thing between the marks.
SAID = re.compile(r"^bench: (\S+) (\d+)\r*$", re.M)


@dataclasses.dataclass(frozen=True)
class Measured:
    """One row: the counts of `repeats` operations."""
    name: str
    repeats: int
    counts: dict    # column of bench/decode.c -> count, over all repeats

    @property
    def instructions(self):
        """All of them, whoever's."""
        return sum(self.counts[who] for who in ("user", "kernel", "hypervisor"))

    def per_operation(self, column=None):
        """The instructions of one operation, or what it has of a column."""
        return (self.counts[column] if column else self.instructions) / self.repeats


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row that is no count of instructions: bytes, or lines."""
    name: str
    value: float

    def per_operation(self, column=None):
        """The figure; of the columns it has none."""
        return None if column else self.value


def hypervisor(kind):
    """The file to boot; None for native Linux."""
    return {"native": lambda: None, "xen": image.debian_xen, "zelo": lab.build}[kind]()


def program(name):
    """One of build/bench, built: its bytes."""
    return make(name, COUNTER.with_name(name), f"build/bench/{name}").read_bytes()


def options(out, hypervised=True, late=False, started=False):
    """QEMU's options to count into the file `out`, for a machine that is `counted`. `late`: the programs say READY.
    `started`: the first piece of work begins with the machine, without a mark."""
    plugin = make("the counter", COUNTER, "build/bench/counter.so")
    return ["-plugin", f"{plugin},out={out}" + (f",hypervisor={HYPERVISOR}" if hypervised else "")
            + (",late=on" if late else "") + (",started=on" if started else "")]


def rows(out, text):
    """What was measured: the counts in the file `out`, named by what the programs said in `text`."""
    columns, *lines = pathlib.Path(out).read_text(encoding="ascii").splitlines()
    said = SAID.findall(text)
    if len(said) != len(lines):
        raise LabError(f"{len(lines)} measurements, and {len(said)} names for them")
    return [Measured(name, int(repeats), dict(zip(columns.split(), map(int, line.split()))))
            for (name, repeats), line in zip(said, lines)]
