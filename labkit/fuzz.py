# SPDX-License-Identifier: MIT
"""`./lab fuzz MINUTES`, and `make fuzz-minute` of `./lab test`: tests/fuzz/README.md."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from labkit import packages, paths
from labkit.ui import LabError, step

CORPUS = paths.ROOT / "tests" / "fuzz" / "corpus"
BUILD = paths.ROOT / "build" / "fuzz"
PROGRAM = BUILD / "zelo-fuzz"
FOUND = BUILD / "found"       # inputs of this machine's sessions that reach something new
FAILED = BUILD / "failed"     # inputs that show a bug
TWICE = BUILD / "twice"       # made by read_twice
STEPS = 48
STEP_BYTES = 24
GRACE = 60                    # seconds for what does not heed its time
INTERRUPTED = 72              # libFuzzer's status when it is told to stop


def build():
    """The fuzzer, with what it takes to compile it."""
    packages.install(packages.BUILD + packages.FUZZ)
    step("make fuzz")
    if subprocess.run(["make", "-C", str(paths.ROOT), "fuzz"], stdin=subprocess.DEVNULL, check=False).returncode:
        raise LabError("the fuzzer does not compile")
    read_twice()


def options(seconds, failed):
    """What every run of the fuzzer is told."""
    return [f"-max_total_time={seconds}", f"-max_len={STEPS * STEP_BYTES}", "-timeout=120",
            "-detect_leaks=0", "-rss_limit_mb=2048", f"-artifact_prefix={failed}/"]


def read_twice():
    """Inputs that no session would keep, as they reach nothing as long as all is well: a step of each kind
    (tests/fuzz/kinds.c), where a vCPU of its domain writes over a word that is about to be read for the
    second time."""
    kinds = re.findall(r'^    \{ "(.*?)", ', (paths.ROOT / "tests" / "fuzz" / "kinds.c").read_text(encoding="ascii"), re.M)
    shutil.rmtree(TWICE, ignore_errors=True)
    TWICE.mkdir(parents=True)
    for kind in range(len(kinds)):
        for domain in (0, 1):
            for word in range(6):
                step_of = bytes([kind, domain, 0x40, 1]).ljust(STEP_BYTES, b"\0")
                poke = bytes([kinds.index("poke"), domain | 4, 0, 0, 0, word, 8, 2]).ljust(STEP_BYTES, b"\0")
                (TWICE / f"{kind}-{domain}-{word}").write_bytes(step_of + poke)


class Worker:
    """One process of the fuzzer. `seed`: what it tries is the same each time; else it is new."""

    def __init__(self, number, seconds, program=PROGRAM, found=FOUND, failed=FAILED, corpus=CORPUS, seed=None):
        seed = time.time_ns() % 2**31 if seed is None else seed
        self.log = failed / f"log.{number}"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(program), *options(seconds, failed), f"-seed={seed + number}", "-reload=1",
                 str(found), str(corpus), str(TWICE)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def text(self):
        """All that it said."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self):
        """It has no more to say."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait()

    def figures(self):
        """(executions, edges reached, edges there are, features)."""
        text = self.text()
        lines = re.findall(r"^#(\d+)\s.* cov: (\d+) ft: (\d+)", text, re.M)
        there = re.search(r"(\d+) inline 8-bit counters", text)
        if not lines or not there:
            return 0, 0, 0, 0
        count, edges, features = (int(number) for number in lines[-1])
        return count, edges, int(there[1]), features

    def reproducer(self):
        """The input that it stopped at, or None."""
        match = re.search(r"Test unit written to (\S+)", self.text())
        return match[1] if match else None

    def failed(self):
        """It has ended otherwise than by its time or by our wish."""
        return self.reproducer() is not None or self.process.returncode not in (0, INTERRUPTED, -signal.SIGTERM)

    def why(self):
        """The lines that say what went wrong."""
        lines = self.text().splitlines()
        told = [line for line in lines
                if re.match(r"fuzz: |panic: |invariants: |==\d+==ERROR|.*runtime error: |SUMMARY: ", line)]
        frames = [f"  in {match[1]}, {match[2]}" for match in
                  (re.match(r"\s+#\d+ 0x\w+ in (\w+) .*/(hypervisor/\S+)", line) for line in lines) if match]
        return told[:12] + frames[:8]


def _wait(workers, seconds):
    """Until the time is over, or one fails before; those that run then are stopped."""
    end = time.monotonic() + seconds + GRACE
    while time.monotonic() < end:
        ended = [worker for worker in workers if worker.process.poll() is not None]
        if len(ended) == len(workers) or any(worker.failed() for worker in ended):
            break
        time.sleep(0.2)
    for worker in workers:
        worker.stop()


def session(seconds, seed=None):
    """Fuzzes on from the corpus with a process for each CPU. The closing line, and
    the first worker that found something, or None."""
    for directory in (FOUND, FAILED):
        directory.mkdir(parents=True, exist_ok=True)
    step(f"fuzzing for {seconds} s")
    workers = [Worker(number, seconds, seed=seed) for number in range(os.cpu_count())]
    try:
        _wait(workers, seconds)
    finally:
        for worker in workers:
            worker.stop()
    figures = [worker.figures() for worker in workers]
    edges, there = max(each[1] for each in figures), max(each[2] for each in figures)
    line = "fuzz: {} executions, {} of {} edges ({:.1f} %), {} features".format(
        sum(each[0] for each in figures), edges, there, 100 * edges / max(there, 1), max(each[3] for each in figures))
    failed = [worker for worker in workers if worker.failed()]
    return line, failed[0] if failed else None


def _tell(worker):
    for line in worker.why():
        print(line)
    print(f"fuzz: FAILED: {worker.reproducer() or worker.log}", flush=True)


def run(minutes):
    """`./lab fuzz MINUTES`."""
    build()
    line, failed = session(int(minutes * 60))
    if failed:
        _tell(failed)
    print(line, flush=True)
    return 1 if failed else 0


def minute():
    """`make fuzz-minute`, with the closing line of a target that counts."""
    read_twice()
    line, failed = session(60, seed=1)
    if failed:
        _tell(failed)
    print(line, flush=True)
    bad = int(failed is not None or line.startswith("fuzz: 0 "))
    print(f"fuzz-minute: {1 - bad} passed, {bad} failed, 0 skipped", flush=True)
    return bad


if __name__ == "__main__":
    sys.exit(minute())
