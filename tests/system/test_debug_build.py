# SPDX-License-Identifier: MIT
"""The build that checks itself (`make DEBUG=1`): the order of locks, undefined
behaviour, the invariants, and each allocation failing once."""
import re

import pytest

from dom0 import Dom0, tiny
from labkit import lab
from labkit.qemu import Machine

CREATE = "/tmp/domain.cfg"


def _tiny_guest(hypervisor, guest, cpus, words=""):
    """A machine with one of guests/ as domain 0, and words for it."""
    machine = Machine(f"debug-{guest}", memory=512, cpus=cpus)
    machine.command += ["-kernel", str(hypervisor), "-nic", "none", "-append",
                        "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=64M noreboot",
                        "-initrd", f"{lab.build_guest(guest)} {words}"]
    return machine


def _invariants(text):
    """(frames, domains, violations) of each time they were asked for."""
    found = re.findall(r"invariants: (\d+) frames, (\d+) domains checked, (\d+) violations", text)
    return [tuple(map(int, numbers)) for numbers in found]


@pytest.mark.parametrize("cpus", [pytest.param(1, marks=pytest.mark.one_cpu), 2])
def test_selftest(debug_hypervisor, cpus):
    with _tiny_guest(debug_hypervisor, "selftest", cpus) as machine:
        match, _ = machine.console.wait(r"^selftest: (\d+) passed, (\d+) failed", 90)
        assert f"{cpus} of {cpus} CPUs run" in machine.console.text()
        assert int(match[1]) > 10 and int(match[2]) == 0, machine.console.text()[-2000:]


@pytest.mark.one_cpu
def test_faults(debug_hypervisor):
    """guests/faults: each allocation on the way of domains, grants, event channels
    and shadow tables fails once, cleanly, and all is given back."""
    with _tiny_guest(debug_hypervisor, "faults", 1) as machine:
        machine.console.wait(r"^faults: .*\n", 120)
        text = machine.console.text()
    counted = dict(re.findall(r"^PASS (.*): (\d+) failed, \d+ did without", text, re.M))
    assert f"faults: {len(counted)} passed, 0 failed" in text, text[-3000:]
    assert int(counted["domain creation"]) > 10
    assert int(counted["whole domain"]) > 50
    for work in ("grant table", "grant mapping", "grant version 2", "shadow tables", "event channels", "event queues"):
        assert int(counted[work]) > 0
    checks = _invariants(text)
    assert len(checks) == len(counted) and all(frames > 100000 and not bad for frames, _, bad in checks), checks


@pytest.mark.one_cpu
@pytest.mark.parametrize("word, says", [("shift", "Undefined behaviour in the hypervisor"),
                                        ("locks", "Lock order: level")], ids=["shift", "locks"])
def test_checks_are_there(debug_hypervisor, word, says):
    """What a check finds ends the machine, with the place."""
    machine = _tiny_guest(debug_hypervisor, "faults", 1, word)
    machine.console.crash = None    # this one is wanted
    with machine:
        machine.console.wait(r"noreboot: the machine stays halted|^faults: .*\n", 60)
        text = machine.console.text()
    assert says in text, text[-3000:]
    assert "do_debug_op+0x" in text, text[-3000:]


@pytest.fixture(name="checked", scope="module")
def _checked(debug_hypervisor, programs):
    """Linux as domain 0 on it."""
    with Dom0.with_guests(lab.Config(hypervisor=debug_hypervisor, name="debug", cpus=1), programs) as dom0:
        dom0.check(f"cat >{CREATE} <<'X'\n{tiny('small', 'idle')}X")
        yield dom0


def _asks_for_invariants(dom0):
    dom0.check("xl dmesg -c >/dev/null; xl debug-keys v")
    dom0.wait_until("xl dmesg | grep -q 'invariants: .* violations'", 120)
    (frames, domains, violations), = _invariants(dom0.check("xl dmesg"))
    assert frames > 100000 and violations == 0
    return domains


@pytest.mark.one_cpu
def test_linux_and_a_domain(checked):
    """A guest comes and goes; the hypervisor finds nothing wrong with itself."""
    checked.check(f"xl create -q {CREATE}", 120)
    assert checked.state("small") is not None
    assert _asks_for_invariants(checked) == 2
    checked.check("xl destroy small", 60)
    checked.wait_gone("small")
    assert _asks_for_invariants(checked) == 1
    checked.alive()


def _settled(dom0):
    """The free pages, once all that is on its way back is there."""
    dom0.wait_until('[ "$(/lab/free_pages)" = "$(sleep 1; /lab/free_pages)" ]', 60)
    return dom0.free_pages()


@pytest.mark.long
@pytest.mark.one_cpu
def test_creation_fails(checked):
    """`xl create` with one allocation failing, here and there on its way: it says that
    it failed, or did without; the domain's pages come back, and the next one is created."""
    whole = f"xl create -q {CREATE} && xl destroy small"
    for _ in range(2):      # what domain 0 allocates once, it keeps
        checked.check(whole, 120)
    checked.check("/lab/fail_allocation 1000000000")
    checked.check(f"xl create -q {CREATE}", 120)
    asked = int(checked.check("/lab/fail_allocation 0"))
    checked.check("xl destroy small", 60)
    assert asked > 20
    before, failures = _settled(checked), 0
    for number in range(1, asked + 1, 3):
        checked.check(f"/lab/fail_allocation {number}")
        failures += checked.run(f"xl create -q {CREATE}", 120).status != 0
        checked.check("/lab/fail_allocation 0; ! xl domid small >/dev/null 2>&1 || xl destroy small", 60)
        checked.wait_gone("small")
        assert _settled(checked) == before, number
    assert failures > 5
    assert _asks_for_invariants(checked) == 1
    checked.check(whole, 120)
