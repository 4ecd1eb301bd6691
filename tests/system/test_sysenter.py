# SPDX-License-Identifier: MIT
"""32-bit programs on a CPU that calls itself Intel, where they use SYSENTER."""
import pytest

from dom0 import check_compat32, check_compat32_in

pytestmark = pytest.mark.one_cpu
MACHINE = {"cpu": "max,-smap,vendor=GenuineIntel", "cpus": 1}


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    with dom0.guest("intel") as guest:
        yield guest


def test_vendor(dom0):
    """What the module's story rests on."""
    assert "GenuineIntel" in dom0.check("cat /proc/cpuinfo")


def test_sysenter_in_domain_0(dom0):
    check_compat32(dom0)


def test_sysenter_in_guest(guest):
    check_compat32_in(guest)
