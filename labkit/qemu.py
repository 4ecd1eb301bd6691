# SPDX-License-Identifier: MIT
"""One QEMU with its serial lines: start it, wait for what it says, type to it."""
import itertools
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from labkit import accel, paths
from labkit.ui import LabError


KEPT_LOGS = 60
# The hypervisor's or domain 0's last words; guests' do not come to this console.
CRASH = re.compile(rb"^.*(?:[Pp]anic on CPU|ZELO PANIC|Dom0 crashed|d0 crashed:|Domain 0 stopped with reason|Kernel panic - not).*$", re.M)
CRASH_SECONDS = 3   # for the rest of the report


def _new_log(name):
    """A fresh directory for one run's logs; the oldest go."""
    paths.LOG.mkdir(parents=True, exist_ok=True)
    logs = sorted(paths.LOG.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in logs[:-KEPT_LOGS]:
        shutil.rmtree(old, ignore_errors=True)
    stamp = time.strftime("%H%M%S")
    for number in itertools.count():
        path = paths.LOG / f"{name}-{stamp}{f'.{number}' if number else ''}"
        try:
            path.mkdir()
            return path
        except FileExistsError:
            continue


class Timeout(LabError):
    """What was waited for did not come; carries the end of what did."""


class Line:
    """A serial line of the machine: everything it said, in memory and in a log."""

    def __init__(self, path, log):
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._log = open(log, "wb", buffering=0)
        self._connected = threading.Event()
        self._socket = None
        self._data = bytearray()
        self._news = threading.Condition()
        self.ended = None       # why nothing more will come
        self.tap = None
        self.crash = None       # called with a line that tells of the machine's end
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            self._socket, _ = self._listener.accept()
            self._connected.set()
            while data := self._socket.recv(65536):
                self._log.write(data)
                if self.tap:
                    self.tap(data)
                with self._news:
                    seen = len(self._data)
                    self._data += data
                    self._news.notify_all()
                match = self.crash and CRASH.search(self._data, max(0, seen - 200))
                if match:
                    self.crash(match[0].decode("utf-8", "replace").strip())
                    self.crash = None
        except OSError:
            pass

    def finish(self, why):
        """End, after QEMU did, with all it said."""
        if self._connected.is_set():
            self._reader.join()
        self.end(why)

    def end(self, why):
        """Let nobody wait any longer for what will not come."""
        with self._news:
            self.ended = self.ended or why
            self._news.notify_all()

    def close(self):
        """Stop listening; QEMU's end is expected to be gone."""
        self._listener.close()
        if self._socket:
            self._socket.close()

    def position(self):
        with self._news:
            return len(self._data)

    def text(self, since=0):
        with self._news:
            return self._data[since:].decode("utf-8", "replace")

    def wait(self, pattern, timeout, since=0):
        """Wait for a regular expression; return (match, position after it)."""
        compiled = re.compile(pattern.encode() if isinstance(pattern, str) else pattern, re.M)
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                match = compiled.search(self._data, since)
                if match:
                    return match, match.end()
                left = deadline - time.monotonic()
                if left <= 0 or self.ended:
                    tail = self._data[-1500:].decode("utf-8", "replace")
                    why = self.ended or f"{timeout:.0f} s passed"
                    raise Timeout(f"{why} before /{pattern}/ came; the last was:\n{tail}")
                self._news.wait(left)

    def send(self, data, piece=0):
        """Send bytes; with `piece`, so many at a time with a pause between, for a
        receiver without flow control (a hypervisor's console buffer)."""
        self._connected.wait(10)
        for start in range(0, len(data), piece or len(data) or 1):
            self._socket.sendall(data[start:start + (piece or len(data))])
            if piece:
                time.sleep(0.03)


class Machine:
    """QEMU and its lines: `console` is COM1, `agent` COM2. Use it in a `with`."""

    def __init__(self, name, *, memory=2048, cpus=2, machine="pc", cpu=None,
                 reboots=False, counted=False, extra=(), qemu=("qemu-system-x86_64",)):
        self.log = _new_log(name)
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="lab-"))
        self.console = Line(self.scratch / "console", self.log / "console.log")
        self.agent = Line(self.scratch / "agent", self.log / "agent.log")
        # QEMU must not outlive the lab, however the lab ends.
        self.command = ["setpriv", "--pdeathsig", "KILL", *qemu,
                        *accel.options(cpu, counted), "-machine", machine,
                        "-smp", str(cpus), "-m", str(memory), "-display", "none",
                        "-serial", f"unix:{self.console.path}",
                        "-serial", f"unix:{self.agent.path}", "-monitor", "none",
                        *([] if reboots else ["-no-reboot"]), *map(str, extra)]
        self.process = None
        self.console.crash = self._crashed

    def _crashed(self, line):
        """End all waits, once the rest of the report is in."""
        for serial in (self.console, self.agent):
            threading.Timer(CRASH_SECONDS, serial.end, [f"it crashed: {line}"]).start()

    def start(self):
        (self.log / "command").write_text(shlex.join(self.command) + "\n", encoding="utf-8")
        with open(self.log / "qemu.log", "wb") as errors:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                            stdout=errors, stderr=errors,
                                            start_new_session=True)
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def _watch(self):
        """When QEMU ends, by itself or never having begun, nobody waits for it."""
        status = self.process.wait()
        for serial in (self.console, self.agent):
            serial.finish(f"QEMU ended with status {status} {self.errors().strip()}")

    def wait_exit(self, timeout):
        """Wait for QEMU to end by itself; return its status."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"QEMU still runs after {timeout} s; the last was:\n"
                          + self.console.text()[-3000:]) from None

    def errors(self):
        return pathlib.Path(self.log / "qemu.log").read_text(encoding="utf-8", errors="replace")

    def broke(self):
        """QEMU found a mistake of its own. 7.2 has one in each machine of several CPUs under TCG: while one CPU moves
        a PCI device's memory, another's access to a device may reach the wrong one."""
        return self.process.poll() == -signal.SIGABRT and "Assertion" in self.errors()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        self.console.close()
        self.agent.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self):
        return self if self.process else self.start()

    def __exit__(self, *_):
        self.stop()
