# SPDX-License-Identifier: MIT
"""From a disk through GRUB (multiboot 2), on BIOS and on UEFI, with the plain
and the gzipped hypervisor: up to domain 0 with its tools."""
import pytest

from dom0 import Dom0
from labkit import lab

pytestmark = pytest.mark.one_cpu


@pytest.mark.parametrize("form", ["plain", "gzipped"])
@pytest.mark.parametrize("firmware", ["bios", "ovmf"])
def test_grub(hypervisor, gzipped_hypervisor, firmware, form):
    if form == "gzipped":
        hypervisor = gzipped_hypervisor
    config = lab.Config(hypervisor=hypervisor, name=f"grub-{firmware}-{form}", cpus=1,
                        firmware=firmware)
    with Dom0.booted(config) as dom0:
        dom0.alive()
        assert "lab: GRUB loads" in dom0.machine.console.text()
        where = dom0.run("test -d /sys/firmware/efi").status
        assert where == (0 if firmware == "ovmf" else 1)
