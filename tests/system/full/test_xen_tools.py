# SPDX-License-Identifier: MIT
"""Xen's own tools and tests, as Debian packages them: each ends as on Debian's Xen."""
import base64
import re
import struct

import pytest

from left_over import Left

BIN = "/usr/lib/xen-4.17/bin"


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    """A guest without disk that waits; its number."""
    dom0.check("printf 'name = \"idle\"\\nmemory = 128\\nvcpus = 2\\nkernel = \"/boot/vmlinuz\"\\n"
               "ramdisk = \"/boot/guest-initrd\"\\n"
               "extra = \"console=hvc0 quiet lab.diskless\"\\n' >/tmp/idle.cfg;"
               " xl create -q /tmp/idle.cfg", 60)
    dom0.wait_until("grep -q 'diskless guest up' /var/log/xen/console/guest-idle.log", 90)
    yield dom0.check("xl domid idle").strip()
    dom0.check("xl destroy idle", 60)


# --- the tests of Xen's tools ---

def test_resource(dom0):
    """Maps grant tables of new domains by XENMEM_acquire_resource."""
    dom0.check(f"{BIN}/test-resource 2>&1", 60)
    left = Left(dom0)
    output = dom0.check(f"{BIN}/test-resource 2>&1", 60)
    assert re.search(r"Test x86 PV\n  Created d\d+\n  Test grant table\n", output), output
    assert "Fail" not in output
    left.check()


def test_cpu_policy(dom0):
    """libxenguest's own, on the CPUID policy that the hypervisor gives."""
    assert "Done: all ok" in dom0.check(f"{BIN}/test-cpu-policy 2>&1", 60)


def test_xenstore(dom0):
    output = dom0.check(f"{BIN}/test-xenstore -i 20 2>&1", 90)
    assert len(re.findall(r"^[\w ]+: avg: \d+ ns", output, re.M)) == 12, output


# --- looking at guests ---

def test_lsevtchn(dom0, guest):
    own = dom0.check(f"{BIN}/lsevtchn 0")
    for kind in ("IPI", "Virtual IRQ 0", "Physical IRQ", f"Remote Domain {guest}"):
        assert kind in own, own
    theirs = dom0.check(f"{BIN}/lsevtchn {guest}")
    assert len(re.findall(r"Interdomain \(Connected\) - Remote Domain 0", theirs)) >= 2, theirs
    assert "VCPU 1: IPI" in theirs
    result = dom0.run(f"{BIN}/lsevtchn 7777")
    assert (result.status, "No such process" in result.output) == (1, True), result


def test_xenctx(dom0, guest):
    """The registers and the stack of a vCPU, through the guest's page tables."""
    output = dom0.check(f"xl pause {guest}; {BIN}/xenctx -a {guest} 1 2>&1; status=$?;"
                        f" xl unpause {guest}; exit $status")
    assert re.search(r"^rip: ffffffff[0-9a-f]{8}", output, re.M), output
    assert re.search(r"cr3: [0-9a-f]+", output), output
    assert "Stack:" in output and "Call Trace:" in output
    assert "No such process" in dom0.run(f"{BIN}/xenctx {guest} 9").output    # its status is 0


def test_mfndump(dom0, guest):
    """Finds a guest's frames: by its own table, by the machine's, and in its page tables."""
    pause = f"xl pause {guest}; ({{}}); status=$?; xl unpause {guest}; exit $status"
    table = dom0.check(pause.format(f"{BIN}/xen-mfndump dump-p2m {guest} 2>&1 | head -200"), 60)
    pairs = [(int(pfn, 16), int(mfn, 16)) for pfn, mfn in
             re.findall(r"pfn=0x([0-9a-f]+) ==> mfn=0x([0-9a-f]+)", table)]
    assert len(pairs) > 100, table
    pfn, mfn = pairs[50]
    machine = dom0.check(f"{BIN}/xen-mfndump dump-m2p 2>/dev/null | grep -i 'mfn=0x0*{mfn:x} ' | head -1", 60)
    assert re.search(rf"pfn=0x0*{pfn:x}\b", machine), machine
    same = dom0.check(f"{BIN}/xen-mfndump memcmp-mfns {guest} {mfn:#x} {guest} {mfn:#x} 2>&1")
    assert "memcpy(1, 2) = 0" in same, same     # xen-mfndump means memcmp


# --- xenwatchdogd ---

def test_watchdog(dom0):
    """Domain 0 is under a watchdog for a while, and takes it off again."""
    dom0.check("xenwatchdogd 60 5 && sleep 1 && pidof xenwatchdogd")
    dom0.check("kill -USR1 $(pidof xenwatchdogd); until ! pidof xenwatchdogd; do sleep 0.2; done", 20)
    # All slots are free again: there are two.
    dom0.check("for i in 1 2; do xenwatchdogd 60 5 || exit 1; done; kill -USR1 $(pidof xenwatchdogd)")


# --- xenstore's clients ---

def test_xenstore_clients(dom0):
    """Write, read, list, permissions, remove; and what is not there."""
    dom0.check("xenstore-write /lab/here 1 /lab/there 'two words'")
    assert dom0.check("xenstore-read /lab/here /lab/there") == "1\ntwo words\n"
    assert set(dom0.check("xenstore-list /lab").split()) == {"here", "there"}
    dom0.check("xenstore-chmod /lab/here n0 r5")
    assert re.search(r'^here = "1".*\(n0,r5\)', dom0.check("xenstore-ls -p /lab"), re.M)
    assert dom0.run("xenstore-exists /lab/here").status == 0
    watched = dom0.check("(sleep 1; xenstore-write /lab/here 3) >/dev/null 2>&1 &"
                         " timeout 20 xenstore-watch -n 2 /lab/here")
    assert watched.split() == ["/lab/here", "/lab/here"]
    dom0.check("xenstore-rm /lab")
    assert dom0.run("xenstore-exists /lab/here").status == 1
    assert dom0.run("xenstore-read /lab/here").status == 1
    assert "OK" in dom0.check("xenstore-control check")


# --- CPUs ---

def test_cpuid(dom0):
    """Feature sets: what the CPU has, and of it what PV guests get."""
    output = dom0.check("xen-cpuid -d 2>&1")
    sets = dict(re.findall(r"^(Raw|Host|PV Max|PV Default)\s+([0-9a-f:]+)$", output, re.M))
    assert {"Raw", "PV Default"} <= set(sets), output
    raw, pv = ([int(word, 16) for word in sets[name].split(":")] for name in ("Raw", "PV Default"))
    assert pv[0] & 1 and not pv[0] & ~raw[0]         # of leaf 1's EDX, the FPU at least
    assert pv[2] & 1 << 29 and not pv[2] & ~raw[2]   # of leaf 80000001's EDX, long mode
    dom0.check("xen-cpuid -p")


def test_topology(dom0):
    assert len(re.findall(r"^CPU\d+\s+\d+\s+\d+\s+\d+", dom0.check("xenpm get-cpu-topology"), re.M)) == 2


# --- xentrace ---

class Record:
    """One of a trace file: the event, its CPU's cycles, its words."""

    def __init__(self, cpu, event, cycles, words):
        self.cpu, self.event, self.cycles, self.words = cpu, event, cycles, words


def _records(data):
    """All of a file but the CPU changes, which are taken in."""
    at, cpu, records = 0, None, []
    while at < len(data):
        head, = struct.unpack_from("<I", data, at)
        at, count, cycles = at + 4, head >> 28 & 7, None
        if head >> 31:
            cycles, = struct.unpack_from("<Q", data, at)
            at += 8
        words = struct.unpack_from(f"<{count}I", data, at)
        at += 4 * count
        if head & 0x0fffffff == 0x1f003:
            cpu = words[0]
        else:
            records.append(Record(cpu, head & 0x0fffffff, cycles, words))
    assert at == len(data)
    return records


def _trace(dom0, options, meanwhile="true", seconds=3):
    """Run xentrace for a while and something beside it: the records."""
    dom0.check(f"rm -f /tmp/trace; (sleep 1; {meanwhile}) >/dev/null 2>&1 &"
               f" xentrace -D -S 16 -T {seconds} {options} /tmp/trace; status=$?; wait; exit $status", 60)
    return _records(base64.b64decode(dom0.check("head -c 400000 /tmp/trace | base64 -w 0")))


RUNSTATE = 0x21001


def test_trace_of_the_scheduler(dom0, guest):
    """Runstate changes of domain 0's vCPUs and the guest's follow from each other."""
    records = _trace(dom0, "-e 0x00021000")
    changes = [r for r in records if r.event & ~0x330 == RUNSTATE]
    assert {r.cpu for r in records} == {0, 1}
    assert {r.words[0] >> 16 for r in changes} >= {0, int(guest), 32767}
    for cpu in (0, 1):
        times = [r.cycles for r in records if r.cpu == cpu]
        assert times == sorted(times)
    state = {}
    for change in sorted(changes, key=lambda r: r.cycles):
        before, after = change.event >> 8 & 3, change.event >> 4 & 3
        assert before == state.get(change.words[0], before)
        state[change.words[0]] = after


def test_trace_of_one_cpu(dom0):
    assert {r.cpu for r in _trace(dom0, "-c 0x2 -e all")} == {1}
    dom0.check("xentrace -T 1 -c all /dev/null")


def test_trace_of_domains(dom0):
    """A domain comes and goes; nothing else is asked for."""
    records = [r for r in _trace(dom0, "-e 0x00041000", f"{BIN}/test-resource", 8) if r.event >> 12 != 0x1f]
    assert [r.event for r in records][:2] == [0x41001, 0x41002]
    assert records[0].words == records[1].words


def test_trace_analysed(dom0):
    """xenalyze makes sense of a trace of everything."""
    dom0.check("rm -f /tmp/trace; xentrace -D -S 16 -T 3 -e all /tmp/trace", 60)
    summary = dom0.check("xenalyze -s /tmp/trace 2>/dev/null", 60)
    assert "|-- Domain 0 --|" in summary
    assert re.search(r"^  hypercall  \d+", summary, re.M)
    assert re.search(r"^    sched_op +\[29\]: +\d+", summary, re.M)


def test_lost_records(dom0, guest):
    """When nobody reads, what found no room is counted, and the rest of the trace is good."""
    dom0.check("rm -f /tmp/trace; timeout 5 xentrace -x -S 16 -T 1 -e all /dev/null;"
               " for i in $(seq 100); do xenstore-read domid; done >/dev/null;"
               " xentrace -S 16 -T 2 -e all /tmp/trace", 60)
    text = dom0.check("xenalyze -a /tmp/trace 2>/dev/null | grep 'lost_records count'")
    lost = re.findall(r"lost_records count (\d+) d(\d+)v(\d+)", text)
    assert lost, text
    for count, domain, vcpu in lost:        # and who ran then
        assert int(count) > 0 and domain in ("0", guest, "32767") and int(vcpu) < 2, text
