# SPDX-License-Identifier: MIT
"""The cost ledger: no operation of the quick subset, guests/bench on Zelo, costs more
than its budget; and what `./lab bench` makes of what it measures."""
import xml.etree.ElementTree as xml

import pytest

from labkit import packages, paths
from labkit.bench import budget, guest, ledger, table
from labkit.bench.counting import Measured


def _measured(name, cost, repeats=10, **events):
    counts = dict.fromkeys(("user", "cr3", "tlb", "serialising", "locked", "fence", "string"), 0)
    return Measured(name, repeats, counts | {"kernel": 0, "hypervisor": int(cost * repeats)} | events)


MADE_UP = {"native": [_measured("linux.call", 100)],
           "xen": [_measured("guest.event", 800, cr3=20), _measured("linux.call", 400), _measured("linux.only", 3)],
           "zelo": [_measured("guest.event", 600), _measured("linux.call", 1000)]}


@pytest.mark.one_cpu
def test_budgets(hypervisor):
    """An instruction count may grow by 3 %; whoever wants more changes bench/budgets."""
    if hypervisor.resolve() != paths.ZELO:
        pytest.skip("another hypervisor: the budgets are Zelo's")
    measured = guest.measure("zelo")
    print(budget.text(measured))
    assert not list(budget.over(measured, budget.read()))


@pytest.mark.one_cpu
def test_over_budget():
    """What grows, what has no budget and what is no longer measured are named; 3 % are not."""
    measured = [_measured("a", 103), _measured("b", 103.2), _measured("c", 1)]
    said = sorted(budget.over(measured, {"a": 100, "b": 100, "d": 100}))
    assert [line.partition(":")[0] for line in said] == ["b", "c", "d"]
    assert "3.2 % over" in said[0] and "no budget" in said[1] and "not measured" in said[2]


@pytest.mark.one_cpu
def test_table():
    """Groups in order, ratios, events of both hypervisors, nothing where nothing was measured."""
    event, call, only = table.rows(MADE_UP)
    assert [row.name for row in (event, call, only)] == ["guest.event", "linux.call", "linux.only"]
    assert event.ratio("zelo", "xen") == 0.75 and event.ratio("zelo", "native") is None
    assert call.ratio("zelo", "native") == 10 and only.ratio("zelo", "xen") is None
    assert table.cells(event) == ["event", "", "800", "600", "", "0.75", "800 / 600", "2 / 0", "0 / 0", "0 / 0", "0 / 0", "0 / 0", "0 / 0"]
    lines = table.text([event, call, only]).splitlines()
    assert [line for line in lines if line.startswith("#")] == ["### A tiny guest", "### Linux, natively and as domain 0"]
    assert len({len(line) for line in lines[2:5]}) == 1


@pytest.mark.one_cpu
def test_chart():
    """A bar with its figure for each row that both hypervisors have."""
    packages.install(packages.BENCH)
    from labkit.bench import chart
    texts = [each.text for each in xml.fromstring(chart.draw(table.rows(MADE_UP))).iter() if each.text]
    assert {"guest: event", "linux: call", "0.75", "2.50"} <= set(texts) and "linux: only" not in texts


@pytest.mark.one_cpu
def test_page():
    """The tables take the place of the old ones, and nothing else of the page changes."""
    page = f"before\n{ledger.BEGIN}\nold\n{ledger.END}\nafter\n"
    written = ledger.written(page, "new\n")
    assert written == f"before\n{ledger.BEGIN}\n\nnew\n\n{ledger.END}\nafter\n"
    assert ledger.written(written, "new\n") == written
