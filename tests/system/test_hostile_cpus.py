# SPDX-License-Identifier: MIT
"""Hostile guests whose vCPUs run at the same time: the attacks of test_hostile.py that race, on two CPUs."""
import pytest

import warden
from warden import CRASH, NONE, POWEROFF

RUNS = {
    "races": (POWEROFF, NONE), "storms": (POWEROFF, NONE),
    "+peer peer-races peer-races peer-races parting": (POWEROFF, POWEROFF),
    "=foreign-aliases foreign": (POWEROFF, POWEROFF),
    "+owner-crashed": (POWEROFF, CRASH), "-+owner-destroyed": (POWEROFF, NONE),
    "+end-crashed": (CRASH, POWEROFF), "!+end-destroyed": (NONE, POWEROFF),
}


@pytest.mark.long
@pytest.mark.parametrize("kind", warden.CPUS)
def test_races(hypervisor, kind):
    """Two vCPUs, or two domains, at the same page, handle or port."""
    warden.check(hypervisor, f"warden-cpus-{kind}", kind, RUNS, cpus=2)
