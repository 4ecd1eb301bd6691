# SPDX-License-Identifier: MIT
"""From a disk through GRUB (multiboot 2), on BIOS and on UEFI, with the plain
and the gzipped hypervisor: up to domain 0 with its tools."""
import gzip

import pytest

from dom0 import Dom0
from labkit import lab, paths

pytestmark = pytest.mark.one_cpu


def _gzipped(hypervisor, directory):
    """What `make` leaves for our own; for another the same, made here."""
    if hypervisor.resolve() == paths.ZELO:
        return paths.ZELO_GZ
    target = directory / "hypervisor.gz"
    target.write_bytes(gzip.compress(hypervisor.read_bytes()))
    return target


@pytest.mark.parametrize("form", ["plain", "gzipped"])
@pytest.mark.parametrize("firmware", ["bios", "ovmf"])
def test_grub(hypervisor, tmp_path, firmware, form):
    if form == "gzipped":
        hypervisor = _gzipped(hypervisor, tmp_path)
    config = lab.Config(hypervisor=hypervisor, name=f"grub-{firmware}-{form}", cpus=1,
                        firmware=firmware)
    with Dom0.booted(config) as dom0:
        dom0.alive()
        assert "lab: GRUB loads" in dom0.machine.console.text()
        where = dom0.run("test -d /sys/firmware/efi").status
        assert where == (0 if firmware == "ovmf" else 1)
