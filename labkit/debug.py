# SPDX-License-Identifier: MIT
"""`./lab gdb`: the machine stopped at its first instruction, and gdb on it."""
import signal
import subprocess
import time

from labkit import lab, packages
from labkit.ui import LabError, step


def _wait_for(path, machine):
    """Until QEMU listens."""
    for _ in range(200):
        if path.exists():
            return
        if machine.process.poll() is not None:
            break
        time.sleep(0.05)
    raise LabError(f"QEMU does not listen for gdb:\n{machine.errors()}")


def gdb(config, symbols):
    """Boot with QEMU's gdb server and attach gdb. `symbols`: an ELF with them."""
    packages.install(packages.GDB)
    machine = lab.prepare(config)
    machine.command += ["-S", "-gdb", f"unix:{machine.scratch}/gdb,server=on,wait=off"]
    with machine:
        _wait_for(machine.scratch / "gdb", machine)
        step(f"console log: {machine.log}/console.log; `continue` starts the machine")
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is gdb's
        try:
            subprocess.run(["gdb", "-q", "-ex", f"file {symbols}",
                            "-ex", f"target remote {machine.scratch}/gdb"], check=False)
        finally:
            signal.signal(signal.SIGINT, before)
    return 0
