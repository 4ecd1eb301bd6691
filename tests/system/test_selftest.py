# SPDX-License-Identifier: MIT
"""The tiny self-test guest as domain 0, on machines of many kinds: each part of
the PV machine once, in seconds."""
import re

import pytest

from labkit import backports, lab
from labkit.qemu import Machine
from labkit.ui import LabError

# Name -> QEMU's CPU, number of CPUs, machine type, more of the hypervisor's command line.
MACHINES = {
    "amd": ("max,-smap", 2, "pc", ""),
    "intel": ("max,-smap,vendor=GenuineIntel", 2, "q35", ""),
    "old": ("qemu64", 1, "pc", ""),             # no XSAVE, no SMEP, no RDTSCP
    "no-nx": ("qemu64,-nx", 1, "pc", ""),
    "many": ("max,-smap", 8, "q35", ""),
    "maxcpus": ("max,-smap", 4, "pc", "maxcpus=2"),
    "x2apic": ("max,-smap,+x2apic", 2, "q35", "x2apic=on"), # on a QEMU that emulates it
    "acpi-timer": ("max,-smap", 1, "pc", "clocksource=acpi"),
    "pit": ("max,-smap", 1, "q35", "clocksource=pit"),
    "smap": ("max", 2, "q35", ""),              # the guest never does an IRET itself
}
# What Zelo's log has to show of the machine, or the test is about another one.
SAYS = {"x2apic": ["Local APIC: x2APIC"], "smap": [", SMAP"], "no-nx": [", no NX"],
        "acpi-timer": ["MHz by the ACPI PM timer"], "pit": ["MHz by the PIT"],
        "maxcpus": ["2 of 2 CPUs run"], "many": ["8 of 8 CPUs run"]}


@pytest.fixture(name="selftest", scope="module")
def _selftest():
    return lab.build_guest("selftest")


def _new_qemu():
    """Debian 12's own does not know x2APIC without KVM; that of its backports does."""
    try:
        return {"qemu": backports.qemu()}
    except LabError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("kind", MACHINES)
def test_selftest(hypervisor, selftest, kind):
    cpu, cpus, machine_type, words = MACHINES[kind]
    more = _new_qemu() if kind == "x2apic" else {}
    machine = Machine(f"selftest-{kind}", memory=512, cpus=cpus, machine=machine_type, cpu=cpu, **more)
    machine.command += ["-kernel", str(hypervisor), "-append",
                        f"console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=64M noreboot {words}",
                        "-nic", "none", "-initrd", str(selftest)]
    with machine:
        match, _ = machine.console.wait(r"^selftest: (\d+) passed, (\d+) failed", 60)
        text = machine.console.text()
        if "Zelo" in text:
            for word in SAYS.get(kind, []):
                assert word in text
        passed = re.findall(r"^PASS (.*?)\r?$", text, re.M)
        assert int(match[2]) == 0, text[-2000:]
        assert int(match[1]) == len(passed) > 10
