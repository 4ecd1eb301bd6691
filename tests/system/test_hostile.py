# SPDX-License-Identifier: MIT
"""Guests that try every way out (guests/hostile): each is answered as the ABI
says, or dies alone. Meanwhile a neighbour and domain 0 work, and their work is
looked at: data to disk and back, and packets between them. In seconds, with a
tiny domain 0, are test_as_domain_0 and test_warden; those with Linux are long."""
import contextlib
import re
import shlex

import pytest

from labkit import lab, paths
from labkit.qemu import Machine

pytestmark = pytest.mark.one_cpu
MACHINE = {"cpus": 1}

# Groups of attacks that any domain may be asked to try, domain 0 as well.
ANYBODYS = "tables descriptors returns debug pointers continuations cpu"
# Name -> QEMU's CPU: SYSRET, SYSENTER and IRET differ.
CPUS = {"amd": "max,-smap", "intel": "max,-smap,vendor=GenuineIntel"}

# guests/hostile/lethal.c: what ends in the domain's death, and what the hypervisor then says of it.
LETHAL = {
    "stack-in-hypervisor": "no stack for its own handler", "stack-in-m2p": "no stack for its own handler",
    "stack-not-canonical": "no stack for its own handler", "stack-wraps": "no stack for its own handler",
    "stack-on-table": "no stack for its own handler", "kernel-stack": "no stack for its own handler",
    "iret-frame": "iret frame not readable", "no-user-root": "without user page tables",
    "iret-to-32bit": "", "no-failsafe": "no failsafe handler", "no-event-handler": "event without a handler",
    "no-syscall-handler": "system call without a handler", "no-trap-handler": "no handler for trap 6",
    "faulting-handler": "no stack for its own handler", "faulting-failsafe": "",
    "handler-in-ring0": "no failsafe handler",
    "kernel-unmapped": "no stack for its own handler", "empty-root": "no stack for its own handler", "sysenter": "",
    "all-in-use": "no stack for its own handler", "all-given-up": None,     # by SCHEDOP_shutdown
}
POWEROFF, CRASH, NONE = 0, 3, 255   # <xen/sched.h>; never shut down
ENDLESS = ["spin-masked", "spin-in-calls", "spin-in-faults", "spin-in-events"]

WORK = """(while :; do
    head -c 300000 /dev/urandom >{d}/new; a=$(sha256sum <{d}/new); sync {d}/new; mv {d}/new {d}/data
    [ "$(sha256sum <{d}/data)" = "$a" ] || echo data >>{d}/wrong
    {more}
    echo >>{d}/rounds
done) >/dev/null 2>&1 & echo $! >{d}/worker"""


class Worker:
    """Work without end in a domain: how far it is, and that nothing went wrong with it."""

    def __init__(self, domain, directory, more):
        self.domain = domain
        self.directory = directory
        domain.check(f"mkdir -p {directory}; rm -f {directory}/wrong; : >{directory}/rounds; "
                     + WORK.format(d=directory, more=more))
        self.goes_on()

    def goes_on(self):
        """It does two more rounds, all right."""
        rounds = f"$(wc -l <{self.directory}/rounds)"
        self.domain.check(f"n={rounds}; while [ {rounds} -lt $((n + 2)) ]; do sleep 0.1; done", 60)
        self.domain.check(f"! cat {self.directory}/wrong 2>/dev/null")

    def stop(self):
        """Ends it."""
        self.domain.check(f"kill $(cat {self.directory}/worker)")


@pytest.fixture(name="others", scope="module")
def _others(dom0):
    """Those who must not notice: a neighbour and domain 0, at work."""
    with dom0.guest("neighbour", ip="10.17.0.9") as guest:
        workers = [Worker(guest, "/root/work", "ping -q -c 1 -W 20 10.17.0.1 || echo lost >>/root/work/wrong"),
                   Worker(dom0, "/tmp/work", "xl list neighbour || echo xl >>/tmp/work/wrong")]
        yield workers
        for worker in workers:
            worker.stop()


def _config(name, words, vcpus=1):
    """A hostile guest that is gone when it has died; one that lives on powers off and is gone as well."""
    return (f'name = "{name}"\nmemory = 16\nvcpus = {vcpus}\nkernel = "/lab/hostile"\nextra = "{words}"\n'
            'on_crash = "destroy"\non_poweroff = "destroy"\n')


def _prepare(dom0, name, words, vcpus=1):
    dom0.check(f"printf %s {shlex.quote(_config(name, words, vcpus))} >/tmp/{name}.cfg;"
               f" rm -f /var/log/xen/console/guest-{name}.log")
    return f"/tmp/{name}.cfg"


def _said(dom0, name):
    """What it wrote to its console."""
    return dom0.check(f"cat /var/log/xen/console/guest-{name}.log").replace("\r", "")


def _all_held(text):
    """A run's closing count is there, and nothing was broken."""
    count = re.search(r"^hostile: (\d+) held, (\d+) broken$", text, re.M)
    assert count, text[-3000:]
    assert count[2] == "0" and "BROKEN" not in text, "\n".join(re.findall(r"^(?:  |BROKEN).*", text, re.M))
    assert int(count[1]) == len(re.findall(r"^HELD ", text, re.M)) > 0


@contextlib.contextmanager
def _unnoticed(dom0, others):
    """Around attacks: the others go on, and each page comes back."""
    before = dom0.free_pages()
    yield
    for worker in others:
        worker.goes_on()
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {before} ]", 30)


def _run(dom0, name, words, vcpus=1, seconds=120):
    dom0.check(f"xl create -q {_prepare(dom0, name, words, vcpus)}", 60)
    dom0.wait_gone(name, seconds)
    _all_held(_said(dom0, name))


@pytest.mark.long
@pytest.mark.parametrize("words, vcpus", [
    (ANYBODYS, 1), ("frames ports events grants", 1), ("races", 2), ("storms", 1),
], ids=["cpu-and-memory", "others", "races", "storms"])
def test_refused(dom0, others, words, vcpus):
    """Attacks that end in the documented error."""
    with _unnoticed(dom0, others):
        _run(dom0, "hostile", words, vcpus)


@pytest.mark.long
def test_two_domains(dom0, others):
    """One grants pages and channels to the other, which wants more; then it ends while they are in use."""
    with _unnoticed(dom0, others):
        dom0.check(f"xl create -q -p {_prepare(dom0, 'peer', 'peer')}", 60)
        number = dom0.check("xl domid peer").strip()
        dom0.check(f"xl create -q {_prepare(dom0, 'owner', f'peer={number} owner')}", 60)
        dom0.wait_until("grep -q 'owner: ready' /var/log/xen/console/guest-owner.log", 60)
        dom0.check("xl unpause peer")
        dom0.wait_gone("peer", 120)
        _all_held(_said(dom0, "peer"))
        dom0.wait_gone("owner")
        assert "BROKEN" not in _said(dom0, "owner")


@pytest.mark.long
def test_lethal(dom0, others):
    """Attacks that their domain does not survive."""
    names = " ".join(LETHAL)
    with _unnoticed(dom0, others):
        for name in LETHAL:
            _prepare(dom0, name, name)
        dom0.check("xl dmesg -c >/dev/null")
        dom0.check(f"for n in {names}; do xl create -q /tmp/$n.cfg || exit 1; done", 240)
        dom0.check(f"for n in {names}; do while xl domid $n >/dev/null 2>&1; do sleep 0.2; done; done", 60)
        reasons = re.findall(r"d\d+ crashed: (.*)", dom0.check("xl dmesg").replace("\r", ""))
    for name in LETHAL:
        text = _said(dom0, name)
        assert text.startswith(f"hostile: now {name}\n") and "BROKEN" not in text, text
    expected = [reason for reason in LETHAL.values() if reason is not None]
    assert len(reasons) == len(expected), reasons
    for said, reason in zip(reasons, expected):
        assert reason in said, reasons


@pytest.mark.long
def test_endless(dom0, others):
    """Domains that take all the time they get, masked and unmasked: the others get theirs, and they can be ended."""
    with _unnoticed(dom0, others):
        for name in ENDLESS:
            dom0.check(f"xl create -q {_prepare(dom0, name, name)}", 60)
        for worker in others:
            worker.goes_on()
        assert set(ENDLESS) < set(dom0.names())
        for name in ENDLESS:
            dom0.check(f"xl destroy {name}", 60)
            assert "BROKEN" not in _said(dom0, name)


@pytest.mark.long
def test_invariants(dom0, others, hypervisor):
    """After all that: every frame, page table, grant and event channel, counted anew."""
    if hypervisor != paths.ZELO:
        pytest.skip("another hypervisor, with other debug keys")
    dom0.check("xl dmesg -c >/dev/null; xl debug-keys v")
    dom0.wait_until("xl dmesg | grep -q invariants:", 60)
    text = dom0.check("xl dmesg")
    counted = re.search(r"invariants: (\d+) frames, (\d+) domains checked, (\d+) violations", text)
    assert counted and int(counted[2]) >= 2 and counted[3] == "0", text
    for worker in others:
        worker.goes_on()


def _boot_tiny(hypervisor, name, cpu, modules):
    """A machine whose domain 0 is a tiny guest."""
    machine = Machine(name, memory=512, cpus=1, machine="q35", cpu=cpu)
    machine.command += ["-kernel", str(hypervisor), "-append",
                        "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=64M noreboot",
                        "-nic", "none", "-initrd", modules]
    return machine


@pytest.mark.parametrize("kind", CPUS)
def test_as_domain_0(hypervisor, kind):
    """What needs no other domain, in domain 0 itself."""
    with _boot_tiny(hypervisor, f"hostile-{kind}", CPUS[kind], f"{lab.build_guest('hostile')} {ANYBODYS}") as machine:
        machine.console.wait(r"^hostile: \d+ held, \d+ broken", 120)
        _all_held(machine.console.text().replace("\r", ""))


@pytest.mark.parametrize("kind", CPUS)
def test_warden(hypervisor, kind):
    """All the others in domains that guests/warden makes, which takes seconds: each
    ends as it should, and gives every page back."""
    answered = [ANYBODYS, "frames ports events grants", "pair"]
    endless = [f"!{name}" for name in ENDLESS]
    runs = answered + list(LETHAL) + endless
    modules = f"{lab.build_guest('warden')} {'/'.join(runs)},{lab.build_guest('hostile')}"
    with _boot_tiny(hypervisor, f"warden-{kind}", CPUS[kind], modules) as machine:
        machine.console.wait(r"^warden: (done|FAIL)", 180)
        text = machine.console.text().replace("\r", "")
    ends = re.findall(r"^warden: run (\d+) ended with (\d+), lost (-?\d+)$", text, re.M)
    assert [int(end[0]) for end in ends] == list(range(len(runs))), text[-2000:]
    assert all(end[2] == "0" for end in ends), ends
    reasons = [int(end[1]) for end in ends]
    assert reasons == [POWEROFF] * len(answered) + [CRASH] * len(LETHAL) + [NONE] * len(ENDLESS), ends
