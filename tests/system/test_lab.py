# SPDX-License-Identifier: MIT
"""The front door itself: `./lab run` to a guest that answers, and `./lab gdb`."""
import os
import pty
import re
import select
import subprocess
import termios
import time

import pytest

from labkit import paths
from labkit.qemu import Machine, Timeout


def _lab(*words, text=None, seconds=300):
    result = subprocess.run([str(paths.ROOT / "lab"), *words], input=text or "", text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    return result.returncode, result.stdout


def test_run(hypervisor):
    """Ends at domain 0's shell, which runs what it is given; `poweroff` ends the lab."""
    status, output = _lab("run", "--hypervisor", str(hypervisor), text="xl list\npoweroff\n")
    assert status == 0, output
    assert "demo answers ping" in output
    assert " 0% packet loss" in output
    shell = output[output.index("domain 0's shell"):]
    assert re.search(r"^demo +1 ", shell, re.M), shell


def _read_until(terminal, words, seconds):
    """Read what a terminal shows until it shows these words."""
    shown, deadline = b"", time.monotonic() + seconds
    while words not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 4096)


@pytest.mark.one_cpu
def test_leave(hypervisor):
    """On a terminal, Ctrl-] leaves domain 0's shell; QEMU goes with the lab, and
    the terminal is as it was."""
    keeper, user = pty.openpty()
    before = termios.tcgetattr(user)
    process = subprocess.Popen([str(paths.ROOT / "lab"), "run", "--smp", "1", "--hypervisor", str(hypervisor)],
                               stdin=user, stdout=user, stderr=user)
    try:
        _read_until(keeper, b"domain 0's shell", 300)
        _read_until(keeper, b"dom0# ", 60)
        os.write(keeper, b"echo $((40 + 2))here\r")
        _read_until(keeper, b"42here", 60)
        os.write(keeper, b"\x1d")
        assert process.wait(30) == 0
        assert termios.tcgetattr(user) == before
    finally:
        process.kill()
        process.wait()
        os.close(user)
        os.close(keeper)


def test_qemu_that_cannot_start():
    """Nobody waits for a machine that never was: the reason comes at once."""
    with Machine("no-such-cpu", cpu="no-such-cpu") as machine:
        with pytest.raises(Timeout, match="QEMU ended with status 1 .*no-such-cpu"):
            machine.console.wait("anything", 60)


def test_gdb(hypervisor):
    """Stops the machine at a function of the hypervisor, by name, and shows where it is."""
    if hypervisor != paths.ZELO:
        pytest.skip("only the build of this tree has its symbols at hand")
    status, output = _lab("gdb", text="hbreak dom0_create\ncontinue\nbacktrace\nkill\nquit\n")
    assert status == 0, output
    assert "Breakpoint 1, dom0_create" in output, output
    assert "start_on_own_stack" in output, output


def test_help():
    status, output = _lab("--help")
    assert status == 0
    for command in ("run", "test", "gdb", "log", "clean", "boot", "deb"):
        assert f"    {command} " in output
