# SPDX-License-Identifier: MIT
"""A hundred domains at once: made one after the other and eight at a time, and
the hundredth costs the hypervisor no more than the first."""
import re

import pytest

from dom0 import tiny
from labkit import lab
from labkit.qemu import Machine

MANY = 100


def _each(verb, names, at_once):
    """`xl create` or `xl destroy` for each domain of a range, so many at a time."""
    what = {"create": "create -q /tmp/t@.cfg", "destroy": "destroy t@"}[verb]
    return f"seq {names} | xargs -I @ -P {at_once} xl {what}"


def _all_live(dom0):
    """All are there, each has run, and waits."""
    rows = [line.split() for line in dom0.check("xl list").splitlines()[2:]]
    assert sorted(row[0] for row in rows) == sorted(f"t{n}" for n in range(1, MANY + 1))
    assert {row[2] for row in rows} == {"4"} and {row[4] for row in rows} == {"-b----"}
    for start in range(0, MANY, 50):    # as many as domain_info takes
        ids = " ".join(row[1] for row in rows[start:start + 50])
        lines = dom0.check(f"/lab/domain_info {ids}").splitlines()[:-1]
        assert len(lines) == 50 and all(int(line.split()[3]) > 0 for line in lines)


def _settled(dom0):
    """The free pages, once all that is on its way back is there."""
    dom0.wait_until('[ "$(/lab/free_pages)" = "$(sleep 1; /lab/free_pages)" ]', 30)
    return dom0.free_pages()


@pytest.mark.long
def test_a_hundred(dom0):
    """Half of them made one after the other, half eight at a time; all alive; all
    destroyed. What is not back then are domain 0's own lists of ports and
    mappings, which have grown: less than a page for six domains."""
    dom0.check(f"cat >/tmp/t.cfg <<'X'\n{tiny('t@', 'idle', memory=4)}X\n"
               f"for n in $(seq {MANY}); do sed s/@/$n/ /tmp/t.cfg >/tmp/t$n.cfg; done")
    before = _settled(dom0)
    dom0.check(_each("create", f"1 {MANY // 2}", 1), 600)
    dom0.check(_each("create", f"{MANY // 2 + 1} {MANY}", 8), 600)
    _all_live(dom0)
    dom0.alive()
    dom0.check(_each("destroy", f"1 {MANY // 2}", 8), 600)
    dom0.check(_each("destroy", f"{MANY // 2 + 1} {MANY}", 1), 600)
    assert dom0.names() == []
    assert dom0.check("xenstore-list /local/domain").split() == ["0"]
    assert 0 <= before - _settled(dom0) < MANY / 6


@pytest.mark.one_cpu
def test_cost(hypervisor):
    """guests/crowd as domain 0 makes and destroys a hundred domains by itself, on a
    machine whose clock counts instructions: what each cost the hypervisor."""
    machine = Machine("crowd", memory=512, cpus=1, counted=True)
    machine.command += ["-kernel", str(hypervisor), "-append",
                        "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=64M noreboot",
                        "-nic", "none", "-initrd", str(lab.build_guest("crowd"))]
    with machine:
        pages, _ = machine.console.wait(r"^crowd: (?:free pages (\d+) (\d+)|FAIL.*)\r?\n", 120)
        text = machine.console.text()
    assert pages[1] and pages[1] == pages[2], text[-2000:]
    assert f"crowd: {MANY} alive" in text
    rows = re.findall(r"^crowd: \d+ made (\d+) destroyed (\d+)", text, re.M)
    costs = [tuple(map(int, row)) for row in rows]
    assert len(costs) == MANY
    for cost in zip(*costs):
        assert cost[-1] <= 1.2 * cost[0], (cost[0], cost[-1])
        assert max(cost) <= 1.2 * min(cost), (min(cost), max(cost))
