# SPDX-License-Identifier: MIT
"""Memory at any time: a running domain's and domain 0's go down and up, to the
page; what is not there is refused, and nothing is left of the attempt. The
machine has little beside domain 0, so that it can be used up."""
import re
import shlex

import pytest

from dom0 import tiny

pytestmark = [pytest.mark.one_cpu, pytest.mark.long]
MACHINE = {"memory": 1280, "cpus": 1}
PAGES_PER_MB = 256
OWN = "/sys/devices/system/xen_memory/xen_memory0"


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    with dom0.guest("balloon", vif=False, settings="maxmem = 768") as guest:
        guest.domid = int(dom0.check("xl domid balloon"))
        guest.check("touch /run/here")
        yield guest


def _info(dom0, domid):
    """A domain's pages, its limit, and what is claimed for it (programs/domain_info.c)."""
    return [int(word) for word in dom0.check(f"/lab/domain_info {domid}").split()[:3]]


def _reaches(dom0, domid, megabytes):
    """Until the hypervisor counts exactly so much as the domain's."""
    dom0.wait_until(f"[ $(/lab/domain_info {domid} | head -n 1 | cut -d ' ' -f 1)"
                    f" -eq {megabytes * PAGES_PER_MB} ]", 90)


def _listed(dom0, name):
    """xl list's megabytes of a domain."""
    return next(int(line.split()[2]) for line in dom0.check("xl list").splitlines()
                if line.startswith(name))


def _traces(dom0):
    """Whom xenstore knows."""
    return dom0.check("for d in /local/domain /vm /libxl; do xenstore-list $d 2>/dev/null; done; true")


def _not_created(dom0, megabytes):
    """`xl create` of a domain that there is no memory for: it says so, and leaves nothing."""
    domains, traces = dom0.names(), _traces(dom0)
    dom0.check(f"printf %s {shlex.quote(tiny('late', 'idle', memory=megabytes))} >/tmp/late.cfg")
    dom0.refuses("xl create -q /tmp/late.cfg", "[Mm]emory|[Cc]annot")
    assert dom0.names() == domains
    assert _traces(dom0) == traces


@pytest.mark.parametrize("megabytes", [128, 320, 192])
def test_mem_set(dom0, guest, megabytes):
    """Down and up: the guest, xl and the hypervisor agree on each page, and what
    one gives up the other has."""
    free, pages = dom0.free_pages(), _info(dom0, guest.domid)[0]
    dom0.check(f"xl mem-set balloon {megabytes}")
    _reaches(dom0, guest.domid, megabytes)
    assert guest.check(f"cat {OWN}/info/current_kb {OWN}/target_kb").split() == [str(megabytes * 1024)] * 2
    assert _listed(dom0, "balloon") == megabytes
    assert dom0.free_pages() - free == pages - _info(dom0, guest.domid)[0]
    guest.check("test -e /run/here")


def test_mem_max(dom0, guest):
    """The limit moves, but not below what the domain is to have, and no target goes above it."""
    dom0.check("xl mem-max balloon 256")
    assert _info(dom0, guest.domid)[1] == (256 + 1) * PAGES_PER_MB  # libxl adds one
    dom0.refuses("xl mem-max balloon 100", "memory_static_max must be greater")
    dom0.check("xl mem-max balloon 768")
    dom0.refuses("xl mem-set balloon 800", "memory_dynamic_max must be less than or equal")
    assert _info(dom0, guest.domid)[:2] == [192 * PAGES_PER_MB, 769 * PAGES_PER_MB]


def test_domain_0(dom0):
    """Domain 0's own, down and up again."""
    before = _info(dom0, 0)[0]
    for megabytes in (640, 768):
        dom0.check(f"xl mem-set 0 {megabytes}")
        _reaches(dom0, 0, megabytes)
        assert dom0.check(f"cat {OWN}/info/current_kb {OWN}/target_kb").split() == [str(megabytes * 1024)] * 2
        assert _listed(dom0, "Domain-0") == megabytes
    assert _info(dom0, 0)[0] == before
    dom0.refuses("xl mem-set 0 800", "memory_dynamic_max must be less than or equal")
    dom0.refuses("xl mem-set 0 64", "below the minimum threshold")


def test_more_than_there_is(dom0, guest):
    """A guest that may have more than the machine has gets what there is; the
    rest of the machine lives on, and it can give it back."""
    free = dom0.free_pages()
    dom0.check("xl mem-set balloon 768")
    dom0.wait_until("[ $(/lab/free_pages) -le 16 ]", 120)
    pages = _info(dom0, guest.domid)[0]
    assert 192 * PAGES_PER_MB < pages < 768 * PAGES_PER_MB
    _not_created(dom0, 16)
    dom0.alive()
    guest.check("test -e /run/here")
    dom0.check("xl mem-set balloon 192")
    _reaches(dom0, guest.domid, 192)
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {free} ]", 30)
    assert dom0.free_pages() == free


def test_claim(dom0):
    """Claimed memory is free still, but another domain does not get it."""
    free = dom0.free_pages()
    claimed = free - 32 * PAGES_PER_MB
    domid = int(dom0.check(f"/lab/claim {claimed}"))
    try:
        left = dom0.free_pages() - claimed      # to be had by others
        assert _info(dom0, domid)[::2] == [0, claimed]
        info = dict(re.findall(r"^(\w+)\s+: (.*)$", dom0.check("xl info"), re.M))
        assert int(info["outstanding_claims"]) == claimed // PAGES_PER_MB
        assert int(info["free_memory"]) == left // PAGES_PER_MB
        row = next(line.split() for line in dom0.check("xl claims").splitlines() if f" {domid} " in line)
        assert int(row[-1]) == claimed // PAGES_PER_MB
        _not_created(dom0, 48)
    finally:
        dom0.check(f"xl destroy {domid}")
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {free} ]", 30)
    assert dom0.free_pages() == free


def test_claim_of_too_much(dom0):
    free = dom0.free_pages()
    dom0.refuses(f"/lab/claim {free + 1}", "Cannot allocate memory")
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {free} ]", 30)
    assert dom0.free_pages() == free


def test_create_too_large(dom0):
    """A domain larger than the machine."""
    free = dom0.free_pages()
    _not_created(dom0, 4000)
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {free} ]", 30)
    assert dom0.free_pages() == free


@pytest.mark.parametrize("command", ["mem-set 4711 64", "mem-max 4711 64", "mem-set nobody 64"])
def test_nobody(dom0, command):
    dom0.refuses(f"xl {command}", "unable to find domain|is an invalid domain identifier")


def test_no_number(dom0):
    dom0.refuses("xl mem-set 0 10x", "invalid memory size")
