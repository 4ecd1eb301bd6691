# SPDX-License-Identifier: MIT
"""Where the hypervisor's instructions go: bench/profile.c's counts by function."""
import bisect
import collections
import pathlib
import re
import subprocess

from labkit import paths
from labkit.bench import counting, guest, power_on
from labkit.lab import make
from labkit.ui import LabError

PROFILE = paths.ROOT / "build" / "bench" / "profile.so"


def options(out, _hypervised=True, started=False):
    """QEMU's options to count each of the hypervisor's instructions into the file `out`, as counting.options."""
    start, end = counting.HYPERVISOR.split("-")
    return ["-plugin", f"{make('the profiler', PROFILE, 'build/bench/profile.so')},out={out},from={start},to={end}"
            + (",started=on" if started else "")]


def _symbols():
    """Zelo's functions: their addresses in order, and the names of these."""
    listed = subprocess.run(["nm", "-n", str(paths.ZELO_SYMBOLS)], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^([0-9a-f]{16}) [tTwW] ([\w.]+)$", listed, re.M)
    return [int(address, 16) for address, _ in found], [name for _, name in found]


def by_function(out, number):
    """A Counter of instructions by function, in the n-th pair of marks."""
    addresses, names = _symbols()
    section = pathlib.Path(out).read_text(encoding="ascii").split("row\n")[number + 1]
    counts = collections.Counter()
    for line in section.splitlines():
        address, count = line.split()
        counts[names[bisect.bisect(addresses, int(address, 16)) - 1]] += int(count)
    return counts


def text(name):
    """Where power-on, or one operation of guests/bench, on Zelo goes: instructions and function, the most first."""
    if name in (power_on.ROW, power_on.UNPACKED):
        out, said = power_on.run("zelo", options, name)
    else:
        out, said = guest.run("zelo", options)
    names = counting.SAID.findall(said)
    for number, (each, repeats) in enumerate(names):
        if each == name:
            return "".join(f"{count / int(repeats):10.1f}  {function}\n"
                           for function, count in by_function(out, number).most_common())
    raise LabError(f"there is no {name}; there are {' '.join(each for each, _ in names)}")
