# SPDX-License-Identifier: MIT
"""Programs of another kind and much work: 32-bit programs, local descriptor
tables, and a minute of load.
QEMU's CPU is AMD's here, where 32-bit programs call by SYSCALL; test_sysenter
has the other kind."""
import shlex
import time

import pytest

from dom0 import check_compat32, check_compat32_in, fetch


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    with dom0.guest("load", vcpus=2, memory=256) as guest:
        yield guest


def test_32_bit_in_domain_0(dom0):
    check_compat32(dom0)


def test_32_bit_in_guest(guest):
    check_compat32_in(guest)


def test_local_descriptor_tables(dom0, guest):
    """programs/ldt.c: each process has its own, on domain 0's and a guest's CPUs."""
    assert dom0.check("taskset -c 0 /lab/ldt") == "ldt works\n"
    assert guest.check(f"taskset -c 1 {fetch(guest, 'ldt')}") == "ldt works\n"


def test_a_minute_of_stress(dom0, guest):
    """stress-ng on all the guest's CPUs for a minute: it verifies its own work,
    and domain 0 answers all the while."""
    command = ("stress-ng --cpu 1 --vm 1 --vm-bytes 32M --fork 1 --mmap 1 --mmap-bytes 16M"
               " --pipe 1 --hdd 1 --hdd-bytes 8M --switch 1 --temp-path /root --verify"
               " --timeout 60 --metrics-brief")
    dom0.check(f"(domu-run load 150 {shlex.quote(command)} >/tmp/stress.out 2>&1;"
               " echo $? >/tmp/stress.rc) >/dev/null 2>&1 &")
    answers = 0
    end = time.monotonic() + 180
    while dom0.run("test -e /tmp/stress.rc", 30).status:
        assert time.monotonic() < end, "stress-ng does not end"
        dom0.alive()
        answers += 1
    output = dom0.check("cat /tmp/stress.out")
    assert dom0.check("cat /tmp/stress.rc").strip() == "0", output
    assert "successful run completed" in output, output
    assert answers >= 10, f"domain 0 answered only {answers} times in a minute"
