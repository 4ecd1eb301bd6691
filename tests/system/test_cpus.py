# SPDX-License-Identifier: MIT
"""CPU time at any time: vCPUs come and go, run where they are told to, and get
what their weights, caps and pools say."""
import contextlib
import re
import shlex

import pytest

from dom0 import tiny

pytestmark = pytest.mark.long


# --- vCPUs ---

@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    with dom0.guest("plug", vif=False, settings="maxvcpus = 3") as guest:
        guest.check("touch /run/here")
        yield guest


def _online(dom0, name):
    """The vCPUs that are up, as xl lists them: number -> [CPU, state, affinity...]."""
    rows = [line.split() for line in dom0.check(f"xl vcpu-list {name}").splitlines()[1:]]
    return {int(row[2]): row[3:] for row in rows if "p" not in row[4]}


def _plug(dom0, name, run, count):
    """`xl vcpu-set`. A kernel takes a CPU away by itself, but there is no udev to
    bring a new one up."""
    dom0.check(f"xl vcpu-set --ignore-host {name} {count}")
    up = ("cd /sys/devices/system/cpu;"
          " for n in {1..9}; do [ ! -e cpu$n ] || echo 1 2>/dev/null >cpu$n/online; done")
    for _ in range(60):
        run(up)
        if len(_online(dom0, name)) == count:
            break
        dom0.check("sleep 0.5")
    assert list(_online(dom0, name)) == list(range(count))
    cpus = run("grep -c ^processor /proc/cpuinfo")
    assert int(cpus) == count


def test_vcpu_set(dom0, guest):
    assert list(_online(dom0, "plug")) == [0]
    for count in (2, 3, 1, 3):
        _plug(dom0, "plug", guest.check, count)
    # All of them do work.
    guest.check("for n in 0 1 2; do taskset -c $n true || exit 1; done; test -e /run/here")


def test_vcpu_set_in_domain_0(dom0):
    for count in (1, 2):
        _plug(dom0, "Domain-0", dom0.check, count)


def test_vcpu_set_refuses(dom0, guest):
    """More than the machine has, unless asked to; more than the guest may have; no number."""
    dom0.refuses("xl vcpu-set plug 4", "ignore-host")
    dom0.refuses("xl vcpu-set --ignore-host plug 4", "maxcpus is 3")
    dom0.refuses("xl vcpu-set plug none", "Invalid argument")


def _affinities(dom0, name, vcpu):
    return " ".join(_online(dom0, name)[vcpu][3:])


def test_vcpu_pin(dom0, guest):
    """Hard: it runs there and nowhere else. Soft is shown, and a guide only."""
    for cpu in ("1", "0"):
        dom0.check(f"xl vcpu-pin plug 0 {cpu}")
        assert _affinities(dom0, "plug", 0) == f"{cpu} / all"
        guest.check("taskset -c 0 sh -c 'n=0; while [ $n -lt 20000 ]; do n=$((n + 1)); done'")
        assert _online(dom0, "plug")[0][0] == cpu
    dom0.check("xl vcpu-pin plug all all 1")
    assert [_affinities(dom0, "plug", vcpu) for vcpu in range(3)] == ["all / 1"] * 3
    dom0.check("xl vcpu-pin plug all all all")
    dom0.refuses("xl vcpu-pin plug 0 7", "Could not set affinity")
    dom0.refuses("xl vcpu-pin plug 7 0", "Could not set affinity")
    assert [_affinities(dom0, "plug", vcpu) for vcpu in range(3)] == ["all / all"] * 3


# --- time ---

SECONDS = 4


@contextlib.contextmanager
def _spinning(dom0, settings):
    """Two domains that take all they get, `left` and `right`."""
    ids = []
    try:
        for name in ("left", "right"):
            path = f"/tmp/{name}.cfg"
            dom0.check(f"printf %s {shlex.quote(tiny(name, 'spin', settings))} >{path}; xl create -q {path}")
            ids.append(dom0.check(f"xl domid {name}").strip())
        yield ids
    finally:
        for name in ("left", "right"):
            dom0.run(f"xl destroy {name}", 60)


def _shares(dom0, ids):
    """What part of a CPU each domain had, by the hypervisor's account of their
    vCPUs' time and the machine's own clock."""
    lines = dom0.check(f"/lab/domain_info {' '.join(ids)}; sleep {SECONDS}; /lab/domain_info {' '.join(ids)}",
                       SECONDS + 60).split("\n")
    times = [int(line.split()[-1]) for line in lines if line]
    first, second = times[:len(times) // 2], times[len(times) // 2:]
    ran = [after - before for before, after in zip(first, second)]
    return [part / ran[-1] for part in ran[:-1]]


def _near(value, wanted):
    return abs(value - wanted) <= 0.05 * wanted


@pytest.fixture(name="pinned")
def _pinned(dom0):
    """Two spinners on CPU 1, which nobody else uses."""
    dom0.check("xl vcpu-pin 0 all 0")
    try:
        with _spinning(dom0, 'cpus = "1"') as ids:
            yield ids
    finally:
        dom0.check("xl vcpu-pin 0 all all")


def test_weights(dom0, pinned):
    """Even at first, then two to one; together the whole CPU."""
    for weight, ratio in ((256, 1), (512, 2)):
        dom0.check(f"xl sched-credit2 -d left -w {weight}")
        left, right = _shares(dom0, pinned)
        assert _near(left / right, ratio), (left, right)
        assert _near(left + right, 1), (left, right)
    assert re.search(r"^left\s+\d+\s+512\s+0$", dom0.check("xl sched-credit2"), re.M)


def test_caps(dom0, pinned):
    """Capped beside one that would take all, and alone."""
    dom0.check("xl sched-credit2 -d left -w 256 -c 50; xl sched-credit2 -d right -w 65535 -c 25")
    left, right = _shares(dom0, pinned)
    assert _near(left, 0.5) and _near(right, 0.25), (left, right)
    dom0.check("xl pause right")
    left, right = _shares(dom0, pinned)
    assert _near(left, 0.5) and right == 0, (left, right)


def test_sched_refuses(dom0):
    dom0.refuses("xl sched-credit2 -d 0 -w 70000", "weight out of range")
    dom0.refuses("xl sched-credit2 -d 0 -c 201", "cap out of range")    # it has two vCPUs
    dom0.refuses("xl sched-credit2 -d nobody -w 100", "is an invalid domain identifier")
    assert re.search(r"^Domain-0\s+0\s+256\s+0$", dom0.check("xl sched-credit2"), re.M)


# --- pools ---

def _pools(dom0):
    """xl cpupool-list: name -> (CPUs, domains)."""
    def rows(command):
        return [line.split() for line in dom0.check(command).splitlines()[1:]]

    cpus = {row[0]: "".join(row[1:]) for row in rows("xl cpupool-list -c")}
    return {row[0]: (cpus[row[0]], int(row[-1])) for row in rows("xl cpupool-list")}


@pytest.fixture(name="side")
def _side(dom0):
    """A second pool with CPU 1; Pool-0 keeps CPU 0, and domain 0 with it."""
    dom0.check("xl cpupool-cpu-remove Pool-0 1")
    dom0.check("""xl cpupool-create 'name="side"' 'cpus=["1"]' 'sched="credit2"'""")
    yield
    dom0.run("xl cpupool-destroy side; xl cpupool-cpu-add Pool-0 1")
    assert list(_pools(dom0)) == ["Pool-0"] and _pools(dom0)["Pool-0"][0] == "0,1"


def test_pools(dom0, side):
    here = _pools(dom0)["Pool-0"][1]
    assert _pools(dom0) == {"Pool-0": ("0", here), "side": ("1", 0)}
    with _spinning(dom0, 'pool = "side"') as ids:
        assert _pools(dom0) == {"Pool-0": ("0", here), "side": ("1", 2)}
        left, right = _shares(dom0, ids)
        assert _near(left, 0.5) and _near(right, 0.5), (left, right)

        # One moves over and shares CPU 0 with domain 0; the other has its pool alone.
        dom0.check("xl cpupool-migrate right Pool-0")
        assert _pools(dom0) == {"Pool-0": ("0", here + 1), "side": ("1", 1)}
        assert _online(dom0, "right")[0][0] == "0" and _online(dom0, "left")[0][0] == "1"
        left, right = _shares(dom0, ids)
        assert _near(left, 1) and 0 < right < 1, (left, right)

        # The last CPU of a pool with a domain stays, and so does the pool.
        # (xl says so, and its status is 0 all the same.)
        assert "Error removing cpu 1" in dom0.check("xl cpupool-cpu-remove side 1 2>&1")
        dom0.refuses("xl cpupool-destroy side", "Can't destroy")
        assert _pools(dom0)["side"] == ("1", 1)
    assert _pools(dom0) == {"Pool-0": ("0", here), "side": ("1", 0)}
    dom0.check("xl cpupool-rename side aside")
    assert list(_pools(dom0)) == ["Pool-0", "aside"]
    dom0.check("xl cpupool-destroy aside")
    assert list(_pools(dom0)) == ["Pool-0"]


def test_pools_refuse(dom0, side):
    """Names and CPUs that are taken or not there; a pool without CPUs takes no domain."""
    before = _pools(dom0)
    dom0.refuses("""xl cpupool-create 'name="side"'""", "already exists")
    dom0.refuses("""xl cpupool-create 'name="other"' 'cpus=["0"]'""", "illegal or not free")
    dom0.refuses("xl cpupool-destroy Pool-0", "Can't destroy")
    dom0.refuses("xl cpupool-destroy nowhere", "unknown cpupool")
    dom0.refuses("xl cpupool-migrate 0 nowhere", "unknown cpupool")
    dom0.refuses("xl cpupool-migrate 4711 side", "unknown domain")
    assert _pools(dom0) == before
    dom0.check("xl cpupool-cpu-remove side 1")
    dom0.refuses("xl cpupool-migrate 0 side", "[Ee]rror")
    assert _pools(dom0) == {**before, "side": ("", 0)}


def test_numa_split(dom0):
    """On one node there is nothing to split: xl names the pool after the node."""
    dom0.check("xl cpupool-numa-split")
    assert list(_pools(dom0)) == ["Pool-node0"]
    dom0.check("xl cpupool-rename Pool-node0 Pool-0")
    assert list(_pools(dom0)) == ["Pool-0"] and _pools(dom0)["Pool-0"][0] == "0,1"


# --- xenpm ---

def _idle_states(dom0):
    """xenpm get-cpuidle-states: for each CPU [(entries, milliseconds) of C0, of C1]."""
    text = dom0.check("xenpm get-cpuidle-states")
    assert "Max possible C-state: C1" in text
    numbers = [int(number) for number in re.findall(r"\[\s*(\d+)", text)]
    assert re.findall(r"total C-states\s*: (\d+)", text) == ["2"] * 2 and len(numbers) == 8, text
    return [[tuple(numbers[i:i + 2]) for i in (at, at + 2)] for at in (0, 4)]


def test_idle_states(dom0):
    """A CPU works (C0) or halts (C1), all the time one of the two."""
    before = _idle_states(dom0)
    dom0.check("sleep 3")
    after = _idle_states(dom0)
    for cpu in range(2):
        worked, halted = (after[cpu][state][1] - before[cpu][state][1] for state in range(2))
        assert worked + halted >= 3000 and halted > 1000, (before, after)
    text = dom0.check("xenpm start 1")
    assert len(re.findall(r"^CPU\d:", text, re.M)) == 2, text
    assert len(re.findall(r"^\s+C1\s+\d+", text, re.M)) == 2, text
    assert re.findall(r"^CPU(\d)\s+\d+\s+\d+\s+0$", dom0.check("xenpm get-cpu-topology"), re.M) == ["0", "1"]
