# SPDX-License-Identifier: MIT
"""`./lab test`: the unit tests, those that race under ThreadSanitizer, and the static
analysers on this machine, then the system tests under QEMU, and one closing line
that counts them all."""
import json
import os
import re
import subprocess
import sys
import tempfile

from labkit import packages, paths
from labkit.ui import step

SYSTEM = paths.ROOT / "tests" / "system"


def _make(target, pattern):
    """`make TARGET`, shown as it goes: its status, and the last line that matches, or None."""
    step(f"make {target}")
    found = None
    with subprocess.Popen(["make", "-C", str(paths.ROOT), target], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            found = re.match(pattern, line) or found
    return process.returncode, found


def _counts(target):
    """A target that ends with its counts: [passed, failed, skipped]. A run that
    fails, or does not tell its counts, is at least one failure."""
    status, match = _make(target, target + r": (\d+) passed, (\d+) failed, (\d+) skipped")
    if match is None:
        return [0, 1, 0]
    counts = [int(number) for number in match.groups()]
    if status and not counts[1]:
        counts[1] = 1
    return counts


def _coverage():
    """`make coverage`: its closing line, and how it counts: one more test,
    which fails when the unit tests run too little of a room."""
    status, match = _make("coverage", r"coverage: .*")
    line = match.group() if match else "coverage: unknown"
    return line, [0, 1, 0] if status or not match else [1, 0, 0]


def on_this_machine():
    """The unit tests, how much they run, those that race once more under
    ThreadSanitizer, and the static analysers, each of which is one test: the
    line about coverage, and the counts."""
    packages.install(packages.BUILD + packages.STATIC)
    unit = _counts("unit")
    covered, counts = _coverage()
    return covered, [sum(each) for each in zip(unit, counts, _counts("tsan"), _counts("static"))]


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


def system(hypervisor, expression, long):
    """The system tests, or those `expression` selects, on one hypervisor.
    `long`: the long ones in place of the others."""
    # The compiler is for the tests' own programs and guests.
    packages.install(packages.BUILD + packages.RUN)
    step("system tests")
    arguments = [f"--hypervisor={hypervisor}", str(SYSTEM)]
    if expression:
        arguments += ["-k", expression]
    marked = "long" if long else "not long"
    # Modules whose machines have one CPU share this machine's; the others want it for themselves.
    together = ["-m", f"{marked} and one_cpu", "-n", str(min(2, os.cpu_count())), "--dist", "loadfile"]
    counts = _counted(arguments + together)
    return [a + b for a, b in zip(counts, _counted(arguments + ["-m", f"{marked} and not one_cpu"]))]


def names():
    """`./lab test --list`."""
    return _pytest(["--collect-only", "-q", "--hypervisor=none", str(SYSTEM)])


def run(hypervisor_of, only_system, expression, long):
    """Everything, or a selection. `hypervisor_of` builds or finds what to boot,
    late, so that the tests before run even if it fails."""
    totals, covered = [0, 0, 0], None
    if not only_system and not expression and not long:
        covered, totals = on_this_machine()
    counts = system(hypervisor_of(), expression, long)
    totals = [a + b for a, b in zip(totals, counts)]
    if covered:
        print(covered)
    print("{} passed, {} failed, {} skipped".format(*totals), flush=True)
    return 1 if totals[1] or not totals[0] else 0
