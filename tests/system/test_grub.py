# SPDX-License-Identifier: MIT
"""From a disk through GRUB (multiboot 2), on BIOS and on UEFI, with the plain
and the gzipped hypervisor."""
import pytest

from dom0 import Dom0
from labkit import lab

pytestmark = pytest.mark.one_cpu


def _config(hypervisor, firmware, form):
    return lab.Config(hypervisor=hypervisor, name=f"grub-{firmware}-{form}", cpus=1, firmware=firmware)


@pytest.mark.parametrize("firmware", ["bios", "ovmf"])
def test_gzipped(gzipped_hypervisor, firmware):
    """Up to domain 0 with its tools, which sees what firmware there is."""
    with Dom0.booted(_config(gzipped_hypervisor, firmware, "gzipped")) as dom0:
        dom0.alive()
        assert "lab: GRUB loads" in dom0.machine.console.text()
        where = dom0.run("test -d /sys/firmware/efi").status
        assert where == (0 if firmware == "ovmf" else 1)


@pytest.mark.parametrize("firmware", ["bios", "ovmf"])
def test_plain(hypervisor, firmware):
    """Up to domain 0's first program."""
    with lab.boot(_config(hypervisor, firmware, "plain")) as machine:
        machine.console.wait(r"lab: GRUB loads", 120)
        machine.console.wait(r"Run /init as init process", 120)
