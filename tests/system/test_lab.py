# SPDX-License-Identifier: MIT
"""The front door itself: `./lab run` to a guest that answers, and `./lab gdb`."""
import subprocess

import pytest

from labkit import paths


def _lab(*words, text=None, seconds=110):
    result = subprocess.run([str(paths.ROOT / "lab"), *words], input=text or "", text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    return result.returncode, result.stdout


def test_run(hypervisor):
    """Without a terminal it ends at domain 0's shell, when its input does."""
    status, output = _lab("run", "--hypervisor", str(hypervisor))
    assert status == 0, output
    assert "demo answers ping" in output
    assert " 0% packet loss" in output


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
    for command in ("run", "test", "gdb", "log", "clean", "boot"):
        assert f"    {command} " in output
