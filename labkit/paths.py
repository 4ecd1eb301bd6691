# SPDX-License-Identifier: MIT
"""Where the lab keeps things. All that is made lies below one directory."""
import contextlib
import fcntl
import os
import pathlib
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAB = pathlib.Path(os.environ.get("ZELO_LAB_DIR", ROOT / "build" / "lab")).resolve()
LOG = LAB / "log"
ASSETS = ROOT / "labkit"
ZELO = ROOT / "build" / "zelo.elf"
ZELO_DEBUG = ROOT / "build" / "debug" / "zelo.elf"
ZELO_GZ = ROOT / "build" / "zelo.gz"
ZELO_SYMBOLS = ROOT / "build" / "zelo.syms"


@contextlib.contextmanager
def scratch():
    """A directory for a while, beside what is kept."""
    LAB.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=LAB) as made:
        yield pathlib.Path(made)


@contextlib.contextmanager
def locked(name="image"):
    """Only one lab at a time may build a cached thing; others wait and reuse it."""
    LAB.mkdir(parents=True, exist_ok=True)
    with open(LAB / f".{name}.lock", "w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
