# SPDX-License-Identifier: MIT
"""Guests that come and go, and guests that go wrong: nothing is lost by it, and
domain 0 and a neighbour run on."""
import re
import shlex

import pytest

from dom0 import tiny
from labkit import paths

pytestmark = pytest.mark.one_cpu
MACHINE = {"cpus": 1}
TIMES = 20


def _write(dom0, name, text):
    path = f"/tmp/{name}.cfg"
    dom0.check(f"printf %s {shlex.quote(text)} >{path}")
    return path


def _xenstore_domains(dom0):
    return dom0.check("xenstore-list /local/domain").split()


def test_create_and_destroy(dom0):
    """20 guests, with a disk and with a card in turn; every page comes back, and
    xenstore keeps no trace. The first two are not counted: what they make domain 0
    allocate once, it keeps."""
    dom0.check("/lab-volume churn", 90)
    devices = ['disk = [ "phy:/dev/lab/churn,xvda,w" ]', 'vif = [ "bridge=xenbr0" ]']
    cycles = []
    for number, device in enumerate(devices):
        path = _write(dom0, f"churn{number}", tiny("churn", "idle", device))
        cycles.append(f"xl create -q {path} && xl destroy churn && ! xl domid churn 2>/dev/null")
        dom0.check(cycles[-1], 60)
    before = dom0.free_pages()
    for number in range(TIMES):
        dom0.check(cycles[number % len(cycles)], 60)
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {before} ]", 30)
    assert dom0.free_pages() == before
    assert _xenstore_domains(dom0) == ["0"]
    assert dom0.check("xenstore-ls /local/domain/0/backend 2>/dev/null || true").count("frontend-id") == 0
    assert dom0.names() == []


def test_linux_gives_all_back(dom0):
    """The same for a Linux that used its disk and card, ended both ways."""
    guest = dom0.guest("linux")
    with guest:
        guest.check("ping -q -c 1 10.17.0.1; sync")
    before = dom0.free_pages()
    with guest:
        guest.check("ping -q -c 1 10.17.0.1; sync")
        guest.shutdown()
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {before} ]", 30)
    assert dom0.free_pages() == before


@pytest.fixture(name="neighbour", scope="module")
def _neighbour(dom0):
    """A guest that has to survive the others' ends."""
    with dom0.guest("neighbour", ip="10.17.0.9") as guest:
        guest.check("touch /run/here")
        yield guest


def _all_well(dom0, neighbour):
    dom0.alive()
    neighbour.check("test -e /run/here && ping -q -c 1 10.17.0.1")


@pytest.mark.parametrize("kind", ["undefined", "nowhere", "rubbish", "wild"])
def test_bad_kernel(dom0, neighbour, kind):
    """A kernel that faults at once is gone soon, alone."""
    before = dom0.free_pages()
    path = _write(dom0, kind, tiny(kind, kind))
    dom0.check(f"xl create -q {path}", 60)
    dom0.wait_gone(kind)
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {before} ]", 30)
    assert dom0.free_pages() == before
    _all_well(dom0, neighbour)


def test_invariants(dom0, neighbour, hypervisor):
    """After all that: every frame, page table, grant and event channel, counted anew."""
    if hypervisor != paths.ZELO:
        pytest.skip("another hypervisor, with other debug keys")
    neighbour.check("head -c 4M /dev/urandom >/root/data; sync")
    dom0.check("xl dmesg -c >/dev/null; xl debug-keys v")
    dom0.wait_until("xl dmesg | grep -q invariants:", 60)
    text = dom0.check("xl dmesg")
    counted = re.search(r"invariants: (\d+) frames, (\d+) domains checked, (\d+) violations", text)
    assert counted, text
    assert int(counted[1]) > 100000 and int(counted[2]) >= 2 and counted[3] == "0", text
    _all_well(dom0, neighbour)


def test_bad_kernel_is_reported(dom0):
    """The hypervisor's log tells how a guest died, with its registers."""
    dom0.check("xl dmesg -c >/dev/null")
    path = _write(dom0, "reported", tiny("reported", "undefined"))
    dom0.check(f"xl create -q {path}", 60)
    dom0.wait_gone("reported")
    text = dom0.check("xl dmesg")
    assert "ffffffff80100000" in text.lower(), text
    assert "rsp" in text.lower(), text


def test_panic(dom0, neighbour):
    """A Linux that panics is seen as crashed, and can be destroyed."""
    with dom0.guest("panics", ip="10.17.0.5", settings='on_crash = "preserve"') as guest:
        guest.check("echo 1 >/proc/sys/kernel/sysrq;"
                    " (sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &")
        dom0.wait_until("[ $(xl list panics | tail -n 1 | awk '{print substr($5, 5, 1)}') = c ]", 60)
        assert "Kernel panic" in guest.console()
        _all_well(dom0, neighbour)
    _all_well(dom0, neighbour)
