# SPDX-License-Identifier: MIT
"""Guests that try every way out (guests/hostile): each is answered as the ABI
says, or dies alone. Meanwhile a neighbour and domain 0 work, and their work is
looked at: data to disk and back, and packets between them. In seconds, with a
tiny domain 0, are test_as_domain_0 and test_warden; those with Linux are long.
Two CPUs: test_hostile_cpus.py."""
import contextlib
import re
import shlex

import pytest

from labkit import lab, paths

import warden
from warden import CRASH, NONE, POWEROFF

pytestmark = pytest.mark.one_cpu
MACHINE = {"cpus": 1}

# Groups of attacks that any domain may be asked to try, domain 0 as well.
ANYBODYS = "tables protected descriptors returns debug pointers continuations cpu"
# Those of two domains, one of which has granted pages and channels to the other; the last leave it with less.
PEERS = "peer aliases peer-races parting"

# guests/hostile/lethal.c: what ends in the domain's death, and what the hypervisor then says of it.
LETHAL = {
    "stack-in-hypervisor": "no stack for its own handler", "stack-in-m2p": "no stack for its own handler",
    "stack-not-canonical": "no stack for its own handler", "stack-wraps": "no stack for its own handler",
    "stack-on-table": "no stack for its own handler", "kernel-stack": "no stack for its own handler",
    "iret-frame": "iret frame not readable", "no-user-root": "without user page tables",
    "iret-to-32bit": "", "no-failsafe": "no failsafe handler", "no-event-handler": "event without a handler",
    "no-syscall-handler": "system call without a handler", "no-trap-handler": "no handler for trap 6",
    "faulting-handler": "no stack for its own handler", "faulting-failsafe": "",
    "kernel-unmapped": "no stack for its own handler", "empty-root": "no stack for its own handler", "sysenter": "",
    "all-in-use": "no stack for its own handler", "all-given-up": None,     # by SCHEDOP_shutdown
}
ENDLESS = ["spin-masked", "spin-in-calls", "spin-in-faults", "spin-in-events", "spin-in-yields"]

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
        self.domain.check(f"n={rounds}; while [ {rounds} -lt $((n + 2)) ]; do sleep 0.1; done", 240)
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


def _said(dom0, name, last):
    """What it wrote to its console, up to a line with these words, which may be under way when the domain is gone."""
    log = f"/var/log/xen/console/guest-{name}.log"
    dom0.wait_until(f"grep -q {shlex.quote(last)} {log}", 60)
    return dom0.check(f"cat {log}").replace("\r", "")


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
    _all_held(_said(dom0, name, "broken"))


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
    """One grants pages and channels to the other, which wants more, with two vCPUs."""
    with _unnoticed(dom0, others):
        dom0.check(f"xl create -q -p {_prepare(dom0, 'peer', PEERS, 2)}", 240)
        number = dom0.check("xl domid peer").strip()
        dom0.check(f"xl create -q {_prepare(dom0, 'owner', f'peer={number} owner')}", 240)
        _said(dom0, "owner", "owner: ready")
        dom0.check("xl unpause peer")
        dom0.wait_gone("peer", 240)
        _all_held(_said(dom0, "peer", "broken"))
        dom0.wait_gone("owner")
        assert "BROKEN" not in _said(dom0, "owner", "owner: ready")


@pytest.mark.long
@pytest.mark.parametrize("words", ["owner-off", "owner-crashed"])
def test_owner_ends(dom0, others, words):
    """The one that granted ends while the other has its pages mapped and its port bound."""
    with _unnoticed(dom0, others):
        dom0.check(f"xl create -q -p {_prepare(dom0, 'peer', words)}", 240)
        number = dom0.check("xl domid peer").strip()
        dom0.check(f"xl create -q {_prepare(dom0, 'owner', f'peer={number} owner')}", 240)
        dom0.check("xl unpause peer")
        dom0.wait_gone("peer", 240)
        _all_held(_said(dom0, "peer", "broken"))
        assert dom0.state("owner") is None


@pytest.mark.long
def test_lethal(dom0, others):
    """Attacks that their domain does not survive."""
    names = " ".join(LETHAL)
    with _unnoticed(dom0, others):
        for name in LETHAL:
            _prepare(dom0, name, name)
        dom0.check("xl dmesg -c >/dev/null")
        for name in LETHAL:
            dom0.check(f"xl create -q /tmp/{name}.cfg", 240)
        dom0.check(f"for n in {names}; do while xl domid $n >/dev/null 2>&1; do sleep 0.2; done; done", 120)
        reasons = re.findall(r"d\d+ crashed: (.*)", dom0.check("xl dmesg").replace("\r", ""))
    for name in LETHAL:
        text = _said(dom0, name, "hostile: now")    # which they wait for before they begin
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
            dom0.check(f"xl create -q {_prepare(dom0, name, name, 2)}", 240)
        for worker in others:
            worker.goes_on()
        assert set(ENDLESS) < set(dom0.names())
        for name in ENDLESS:
            text = _said(dom0, name, "hostile: now")
            dom0.check(f"xl destroy {name}", 120)
            assert "BROKEN" not in text


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


@pytest.mark.parametrize("kind", warden.CPUS)
def test_as_domain_0(hypervisor, kind):
    """What needs no other domain, in domain 0 itself."""
    modules = f"{lab.build_guest('hostile')} {ANYBODYS}"
    with warden.boot(hypervisor, f"hostile-{kind}", kind, modules) as machine:
        machine.console.wait(r"^hostile: \d+ held, \d+ broken", 120)
        _all_held(machine.console.text().replace("\r", ""))


# What guests/warden has run, and how it ends: the guest, and its owner if there is one.
RUNS = {
    ANYBODYS: (POWEROFF, NONE), "frames ports events grants": (POWEROFF, NONE),
    "races": (POWEROFF, NONE), "storms": (POWEROFF, NONE),
    f"+{PEERS}": (POWEROFF, POWEROFF), "=foreign-aliases foreign": (POWEROFF, POWEROFF),
    "+owner-off": (POWEROFF, POWEROFF), "+owner-crashed": (POWEROFF, CRASH), "-+owner-destroyed": (POWEROFF, NONE),
    "+end-off": (POWEROFF, POWEROFF), "+end-crashed": (CRASH, POWEROFF), "!+end-destroyed": (NONE, POWEROFF),
    **{name: (CRASH, NONE) for name in LETHAL}, **{f"!{name}": (NONE, NONE) for name in ENDLESS},
}


@pytest.mark.parametrize("kind", warden.CPUS)
def test_warden(hypervisor, kind):
    """All of them, in domains that guests/warden makes, which takes seconds."""
    warden.check(hypervisor, f"warden-{kind}", kind, RUNS)
