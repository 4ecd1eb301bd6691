# SPDX-License-Identifier: MIT
"""Decides whether KVM can be used. A /dev/kvm that opens is not proof: on a
machine without hardware virtualisation it may exist and run nothing."""
import functools
import os
import re
import subprocess


def _cpu_virtualises():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        return re.search(r"^flags\s*:.*\b(svm|vmx)\b", info.read(), re.M) is not None


def _trial():
    """Whether QEMU starts a machine under KVM and keeps it for a moment."""
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-display", "none",
               "-serial", "none", "-monitor", "stdio", "-m", "64"]
    result = subprocess.run(command, input="info status\nquit\n", text=True, timeout=30,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    return result.returncode == 0 and "running" in result.stdout


@functools.cache
def kvm_works():
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or not _cpu_virtualises():
        return False
    try:
        return _trial()
    except subprocess.TimeoutExpired:
        return False


def options(cpu=None, counted=False):
    """QEMU's -accel and -cpu. `cpu` overrides the model. `counted`: time is a
    count of instructions, a nanosecond each, and so are the date and what is
    random, so that every run is the same. Without ERMS Linux copies and clears by
    eight bytes a turn of a string instruction, with it by one: each turn counts."""
    if counted:
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-seed", "1",
                "-rtc", "base=2026-01-01T00:00:00,clock=vm", "-cpu", cpu or "max,-smap,-erms"]
    if kvm_works():
        return ["-accel", "kvm", "-cpu", cpu or "host"]
    # QEMU 7.2 makes a ring-3 IRET's stack accesses with kernel privilege, which
    # SMAP then refuses; Linux does such an IRET as a PV guest.
    return ["-accel", "tcg,thread=multi", "-cpu", cpu or "max,-smap"]
