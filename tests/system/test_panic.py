# SPDX-License-Identifier: MIT
"""The hypervisor's own end: what a panic tells, and what becomes of the machine.
Only Zelo has the debug key that asks for one."""
import contextlib
import re

import pytest

from labkit import image, lab
from labkit.qemu import Machine

# Some of those that lead from a debug key to its work.
CALLS = ["debug_keys_run", "tasklet_softirq", "softirq_run"]


@contextlib.contextmanager
def _panicked(hypervisor, name, words):
    """A machine whose domain 0 waits for its console, and the key pressed."""
    dom0 = image.Dom0()
    config = lab.Config(hypervisor=hypervisor, name=name)
    machine = Machine(name, memory=1024, cpus=2)
    machine.command += ["-kernel", str(hypervisor), "-nic", "none", "-append",
                        f"console=com1 com1=115200,8n1 loglvl=all dom0_mem=512M {words}",
                        "-initrd", f"{dom0.kernel.image} {lab.kernel_arguments(config)} break,{dom0.initrd}"]
    machine.console.crash = None    # this one is wanted
    with machine:
        machine.console.wait(r"Xen version|Zelo", 60)
        if "Zelo" not in machine.console.text():
            pytest.skip("another hypervisor, with other debug keys")
        machine.console.wait(r"Linux version", 60)
        machine.console.send(b"\x01\x01\x01", piece=1)
        machine.console.wait(r"[Ii]nput", 20)
        machine.console.send(b"C", piece=1)
        _, position = machine.console.wait(r"Panic on CPU \d+:", 20)
        yield machine, position


def test_panic_halts(hypervisor):
    with _panicked(hypervisor, "panic-halts", "noreboot") as (machine, position):
        machine.console.wait(r"noreboot: the machine stays halted", 20, position)
        text = machine.console.text(position)
        assert "'C' pressed" in text
        assert "rip " in text
        assert "CPU 0, d" in text or "CPU 1, d" in text     # and which vCPU it served
        # The stack, with names; where the calls return to, the last one first.
        trace = re.findall(r"\] (\w+)\+0x", text.partition("Call trace:")[2])
        assert [name for name in trace if name in CALLS] == CALLS, trace
        assert machine.process.poll() is None


def test_panic_restarts(hypervisor):
    with _panicked(hypervisor, "panic-restarts", "panic_delay=1") as (machine, _):
        assert machine.wait_exit(30) == 0                   # -no-reboot: QEMU ends instead
