# SPDX-License-Identifier: MIT
"""Runs commands in domain 0 through the agent there (labkit/dom0/lab-agent),
over a serial line that may carry other text too."""
import base64
import dataclasses
import itertools
import re
import subprocess

from labkit.qemu import Timeout
from labkit.ui import LabError


@dataclasses.dataclass
class Result:
    """What a command left: its status and all it printed."""
    status: int
    output: str


def _cksum(data):
    """POSIX cksum, as the agent computes it: one number and the length."""
    run = subprocess.run(["cksum"], input=data, capture_output=True, check=True)
    return run.stdout.decode().split()


class Agent:
    """The lab's end of the protocol. `piece`: see Line.send."""

    def __init__(self, line, piece=0):
        self._line = line
        self._piece = piece
        self._ids = itertools.count(1)

    def wait_ready(self, timeout):
        self._line.wait(r"^=0 agent", timeout)

    def run(self, command, timeout=60):
        """Run a shell command in domain 0; return its Result, whatever it was."""
        number = next(self._ids)
        start = self._line.position()
        encoded = base64.b64encode(command.encode()).decode()
        self._send(f"RUN {number} {timeout} {encoded}\n")
        for _ in range(5):
            _, end = self._line.wait(rf"^={number} end\r*\n", timeout + 30, start)
            result = self._decode(number, self._line.text(start))
            if result:
                return result
            start = self._line.position()
            self._send(f"AGAIN {number}\n")
        raise LabError(f"domain 0's answer to {command!r} came damaged five times")

    def check(self, command, timeout=60):
        """Run a command that must succeed; return what it printed."""
        result = self.run(command, timeout)
        if result.status == 124:
            raise Timeout(f"{command!r} ran for {timeout} s in domain 0:\n{result.output}")
        if result.status:
            raise LabError(f"{command!r} gave {result.status} in domain 0:\n{result.output}")
        return result.output

    def _send(self, text):
        self._line.send(text.encode(), self._piece)

    @staticmethod
    def _decode(number, text):
        """The Result in an answer, or None when it is damaged."""
        head = re.search(rf"^={number} rc (\d+) sum (\d+) (\d+)\r?$", text, re.M)
        body = "".join(re.findall(rf"^={number} \. (\S*)\r?$", text, re.M))
        try:
            data = base64.b64decode(body, validate=True)
        except ValueError:
            return None
        if not head or _cksum(data) != [head[2], head[3]]:
            return None
        return Result(int(head[1]), data.decode("utf-8", "replace"))
