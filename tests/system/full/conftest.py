# SPDX-License-Identifier: MIT
"""The one machine of these tests."""
import pathlib

import pytest

from dom0 import Dom0
from labkit import backports, lab
from labkit.ui import LabError


def pytest_collection_modifyitems(items):
    """All of them are long."""
    for item in items:
        if pathlib.Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.long)


@pytest.fixture(scope="package")
def dom0(hypervisor, programs, kept):
    """Domain 0 with everything, and Debian's newest kernel for guests in /lab;
    memory for one large guest."""
    kept.close()
    config = lab.Config(hypervisor=hypervisor, name="full", full=True, memory=6144, dom0_memory=1024)
    missing = None
    try:
        for name, data in backports.guest_files().items():
            config.files[f"lab/newest-{name}"] = data
    except LabError as error:
        missing = str(error)
    with Dom0.with_guests(config, programs) as booted:
        booted.missing = missing
        yield booted
