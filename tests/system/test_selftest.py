# SPDX-License-Identifier: MIT
"""The tiny self-test guest as domain 0, on machines of many kinds: each part of
the PV machine once, in seconds."""
import re

import pytest

from labkit import backports, lab
from labkit.qemu import Machine
from labkit.ui import LabError

FLAWS = ("max,-smap,vendor=GenuineIntel,family=6,model=85,x-force-features=on,+spec-ctrl,+stibp,+ssbd,+md-clear,"
         "+arch-capabilities")
# Name -> QEMU's CPU, number of CPUs, machine type, more of the hypervisor's command line.
MACHINES = {
    "amd": ("max,-smap", 2, "pc", ""),
    "intel": ("max,-smap,vendor=GenuineIntel", 2, "q35", ""), # says nothing of flaws, so has them: XPTI
    "old": ("qemu64", 1, "pc", ""),             # no XSAVE, no SMEP, no RDTSCP
    "no-nx": ("qemu64,-nx", 1, "pc", ""),
    "many": ("max,-smap", 8, "q35", ""),
    "maxcpus": ("max,-smap", 4, "pc", "maxcpus=2"),
    "x2apic": ("max,-smap,+x2apic", 2, "q35", "x2apic=on"), # on a QEMU that emulates it
    "acpi-timer": ("max,-smap", 1, "pc", "clocksource=acpi"),
    "pit": ("max,-smap", 1, "q35", "clocksource=pit"),
    "smap": ("max", 2, "q35", ""),              # the guest never does an IRET itself
    # QEMU pretends to have the controls of speculation: it takes the MSRs' writes and does nothing.
    "flaws": (FLAWS, 2, "q35", "spec-ctrl=ssbd,rsb,ibpb-entry,bti-thunk=lfence pv-l1tf=true"),
    "flaws-off": (FLAWS, 1, "pc", "spec-ctrl=no"),
}
# What Zelo's log has to show of the machine, or the test is about another one.
SAYS = {"x2apic": ["Local APIC: x2APIC"], "smap": [", SMAP"], "no-nx": [", no NX"],
        "acpi-timer": ["MHz by the ACPI PM timer"], "pit": ["MHz by the PIT"],
        "flaws": ["Spectre v2: thunks lfence, IBRS, RSB filled, IBPB at entry, IBPB between domains",
                  "(xpti): all domains", "(pv-l1tf): all domains", "VERW at return to guests: on",
                  "SSBD in the hypervisor: on"],
        "flaws-off": ["Spectre v2: thunks jmp\r\n", "(xpti): off", "(pv-l1tf): off", "VERW at return to guests: off"],
        "intel": ["Meltdown: affected; separate page tables (xpti): all domains"],
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
    if "x-force-features" in cpu:   # KVM would let the MSRs fault
        machine.command = ["tcg" if word == "kvm" else word for word in machine.command]
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
