# SPDX-License-Identifier: MIT
"""What `./lab test` asks of this machine alone, as targets of make: the unit tests,
and, beside the machines under QEMU, a minute of the fuzzer, how much of the code the
unit tests run, races, static analysis and proofs."""
import os
import re
import signal
import subprocess
import threading

from labkit import cbmc, packages, paths
from labkit.ui import LabError, fail, step

BESIDE = ["fuzz-minute", "coverage", "tsan", "static", "proofs"]
# A session has a share of the CPUs of its own where the kernel groups by session; this one wants what others leave.
LEFT_OVER = "echo 19 2>/dev/null >/proc/self/autogroup; exec nice -n 19 \"$@\""


def install():
    """The packages that the targets need."""
    packages.install(packages.BUILD + packages.STATIC + packages.FUZZ)
    try:
        cbmc.install()
    except LabError as error:
        fail(str(error))        # the proofs say that they were skipped


def _make(target):
    return ["make", "-C", str(paths.ROOT), target]


def _last(pattern, output):
    found = re.findall(f"^{pattern}$", output, re.M)
    return found[-1] if found else None


def _counts(target, status, output):
    """A target that ends with its counts: [passed, failed, skipped]. A run that
    fails, or does not tell its counts, is at least one failure."""
    told = _last(target + r": (\d+) passed, (\d+) failed, (\d+) skipped", output)
    if told is None:
        return [0, 1, 0]
    counts = [int(number) for number in told]
    if status and not counts[1]:
        counts[1] = 1
    return counts


def _coverage(status, output):
    """One test, which fails when the unit tests run too little of a room."""
    return [0, 1, 0] if status or not _last("coverage: .*", output) else [1, 0, 0]


def unit():
    """The unit tests, shown as they go: their counts."""
    step("make unit")
    lines = []
    with subprocess.Popen(_make("unit"), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return _counts("unit", process.returncode, "".join(lines))


class Beside:
    """The other targets, one after the other, on what time the machines leave of the CPUs.
    A context; if it is left before `finish`, what still runs is ended."""

    def __init__(self):
        self._results = {}      # target -> (status, output)
        self._process = None
        self._ended = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with self._lock:
            self._ended = True
            if self._process and self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGTERM)
        self._thread.join()

    def _run(self):
        for target in BESIDE:
            with self._lock:
                if self._ended:
                    return
                self._process = subprocess.Popen(
                    ["sh", "-c", LEFT_OVER, "sh", *_make(target)], text=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            output = self._process.communicate()[0]
            self._results[target] = self._process.returncode, output

    def finish(self):
        """Wait for the rest and show all of it: the lines that tell how much, and the counts."""
        self._thread.join()
        totals = [0, 0, 0]
        for target, (status, output) in self._results.items():
            step(f"make {target}")
            print(output, end="", flush=True)
            counts = _coverage(status, output) if target == "coverage" else _counts(target, status, output)
            totals = [a + b for a, b in zip(totals, counts)]
        told = [_last(f"{what}: .*", self._results[target][1]) or f"{what}: unknown"
                for what, target in (("fuzz", "fuzz-minute"), ("coverage", "coverage"))]
        return told, totals
