# SPDX-License-Identifier: MIT
"""Programs of another kind and much work: 32-bit programs, and a minute of load.
The CPU calls itself Intel here, so that 32-bit programs use SYSENTER; elsewhere
QEMU's default is AMD, where they use SYSCALL."""
import shlex
import time

import pytest

MACHINE = {"cpu": "max,-smap,vendor=GenuineIntel"}
SAYS = "int80 works\nvsyscall works\n"


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    with dom0.guest("load", vcpus=2, memory=256) as guest:
        yield guest


def test_vendor(dom0):
    """What the module's story rests on."""
    assert "GenuineIntel" in dom0.check("cat /proc/cpuinfo")


def test_32_bit_in_domain_0(dom0):
    assert dom0.check("/lab/compat32") == SAYS


def test_32_bit_in_guest(dom0, guest):
    dom0.check(listening_file())
    guest.check("cat </dev/tcp/10.17.0.1/7100 >/tmp/compat32; chmod +x /tmp/compat32")
    assert guest.check("/tmp/compat32") == SAYS


def listening_file():
    """Domain 0 offers the program to the guest."""
    from dom0 import listening
    return listening(7100, "</lab/compat32 >/dev/null")


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
