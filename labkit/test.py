# SPDX-License-Identifier: MIT
"""`./lab test`: the unit tests, then the system tests under QEMU and, beside them,
the other checks of this machine; and one closing line that counts them all."""
import contextlib
import json
import os
import subprocess
import sys
import tempfile

from labkit import checks, packages, paths
from labkit.ui import step

SYSTEM = paths.ROOT / "tests" / "system"
NOTHING_COLLECTED = 5   # pytest's status


def _pytest(arguments, report=None):
    packages.install(packages.TEST)
    environment = dict(os.environ)
    if report:
        environment["LAB_REPORT"] = report
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--tb=short",
               "--color=no", "--durations=0", "--durations-min=5", "-rs", *arguments]
    return subprocess.run(command, cwd=paths.ROOT, env=environment,
                          stdin=subprocess.DEVNULL, check=False).returncode


def _counted(arguments):
    """A run of pytest, as [passed, failed, skipped]."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        status = _pytest(arguments, report.name)
        try:
            counts = json.loads(report.read())
        except ValueError:
            return [0, 1, 0]
    if status not in (0, NOTHING_COLLECTED) and not counts[1]:
        counts[1] = 1
    return counts


def _sum(*counts):
    return [sum(each) for each in zip(*counts)]


def _selection(hypervisor, expression, long):
    """pytest's arguments, and which of the marks: the system tests, or those that
    `expression` selects, on one hypervisor. `long`: the long ones in place of the others."""
    # The compiler is for the tests' own programs and guests.
    packages.install(packages.BUILD + packages.RUN)
    arguments = [f"--hypervisor={hypervisor}", str(SYSTEM)]
    return arguments + (["-k", expression] if expression else []), "long" if long else "not long"


def _sharing(arguments, marked):
    """Modules whose machines have one CPU, as many at a time as this one has."""
    step("system tests that share the CPUs")
    return _counted([*arguments, "-m", f"{marked} and one_cpu", "-n", str(min(2, os.cpu_count())),
                     "--dist", "loadfile"])


def _alone(arguments, marked):
    """The others, which want all CPUs, but not all the time."""
    step("system tests that do not")
    return _counted([*arguments, "-m", f"{marked} and not one_cpu"])


def names():
    """`./lab test --list`."""
    return _pytest(["--collect-only", "-q", "--hypervisor=none", str(SYSTEM)])


def run(hypervisor_of, only_system, expression, long):
    """Everything, or a selection. `hypervisor_of` builds or finds what to boot,
    late, so that the unit tests run even if it fails."""
    everything = not only_system and not expression and not long
    totals, told = [0, 0, 0], []
    if everything:
        checks.install()
        totals = checks.unit()
    selection = _selection(hypervisor_of(), expression, long)
    totals = _sum(totals, _sharing(*selection))
    with checks.Beside() if everything else contextlib.nullcontext() as beside:
        totals = _sum(totals, _alone(*selection))
        if beside:
            told, counts = beside.finish()
            totals = _sum(totals, counts)
    print(*told, "{} passed, {} failed, {} skipped".format(*totals), sep="\n", flush=True)
    return 1 if totals[1] or not totals[0] else 0
