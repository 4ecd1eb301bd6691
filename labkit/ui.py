# SPDX-License-Identifier: MIT
"""What the lab prints: plain lines, each with the seconds since it started."""
import sys
import time

_START = time.monotonic()


class LabError(Exception):
    """Something the user can read and act on; printed without a traceback."""


def step(text):
    """One line of progress."""
    print(f"[{time.monotonic() - _START:6.1f} s] {text}", flush=True)


def fail(text):
    print(f"lab: {text}", file=sys.stderr, flush=True)
