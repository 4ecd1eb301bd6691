# SPDX-License-Identifier: MIT
"""Tiny guests as domain 0, up in a second, and what guests/warden says of the hostile guests it runs."""
import re

from labkit import lab, paths
from labkit.qemu import Machine

# Name -> QEMU's CPU: SYSRET, SYSENTER and IRET differ.
CPUS = {"amd": "max,-smap", "intel": "max,-smap,vendor=GenuineIntel"}

POWEROFF, CRASH, NONE = 0, 3, 255   # <xen/sched.h>; never shut down


def boot(hypervisor, name, kind, modules, cpus=1):
    """A machine whose domain 0 is a tiny guest."""
    machine = Machine(name, memory=512, cpus=cpus, machine="q35", cpu=CPUS[kind])
    machine.command += ["-kernel", str(hypervisor), "-append",
                        "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=64M noreboot",
                        "-nic", "none", "-initrd", modules]
    return machine


def _check_invariants(text, least):
    """Counted so many times at least, and never wrong."""
    counted = re.findall(r"invariants: \d+ frames, (\d+) domains checked, (\d+) violations", text)
    assert len(counted) >= least, text[-2000:]
    assert all(int(domains) >= 2 and violations == "0" for domains, violations in counted), counted


def check(hypervisor, name, kind, runs, cpus=1):
    """The warden's runs (guests/warden/main.c), each with how it ends: the guest, and its owner if there
    is one. Each gives all pages back, while a neighbour's work goes on and comes out right."""
    modules = f"{lab.build_guest('warden')} {'/'.join(runs)},{lab.build_guest('hostile')}"
    with boot(hypervisor, name, kind, modules, cpus) as machine:
        machine.console.wait(r"^warden: (done|FAIL)", 240)
        text = machine.console.text().replace("\r", "")
    ends = re.findall(r"^warden: run (\d+) ended with (\d+), owner with (\d+), lost (-?\d+)$", text, re.M)
    wrong = "\n".join(re.findall(r"^(?:  |BROKEN|warden: FAIL).*", text, re.M))
    assert [tuple(map(int, end)) for end in ends] == [(i, *end, 0) for i, end in enumerate(runs.values())], wrong
    if hypervisor == paths.ZELO:
        _check_invariants(text, len(runs))
