# SPDX-License-Identifier: MIT
"""`./lab bench`: runs families of operations under every kind of machine, prints their table and writes that of all
into docs/performance.md, with its chart beside."""
import re

from labkit import packages, paths
from labkit.bench import guest, jobs, linux, memory, profiling, store, table
from labkit.ui import LabError, step

PAGE = paths.ROOT / "docs" / "performance.md"
CHART = paths.ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- ledger: written by ./lab bench -->", "<!-- ledger: end -->"
HYPERVISORS = ("xen", "zelo")
# What rows begin with -> what measures them, and under which kinds of machine.
FAMILIES = {
    "guest": (guest.measure, HYPERVISORS),
    "linux": (linux.measure, table.KINDS),
    "domu": (linux.measure_domu, HYPERVISORS),
    "job": (jobs.measure, table.KINDS),
    "memory": (memory.measure, HYPERVISORS),
}


def _measure(chosen):
    """(Family, kind) -> its rows."""
    measured = {}
    for family in chosen:
        function, kinds = FAMILIES[family]
        for kind in kinds:
            step(f"measuring {family}, {kind}")
            measured[family, kind] = function(kind)
    return measured


def written(page, tables):
    """The page with these tables in place of the old."""
    found = re.search(f"{BEGIN}\n.*{END}", page, re.S)
    if not found:
        raise LabError(f"{PAGE} has no place for the ledger")
    return page[:found.start()] + f"{BEGIN}\n\n{tables}\n{END}" + page[found.end():]


def _write():
    """The page and the chart, of all that is stored."""
    from labkit.bench import chart      # its library may have been missing until now
    rows = table.rows(store.read())
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), table.text(rows)), encoding="utf-8")
    CHART.write_text(chart.draw(rows), encoding="utf-8")
    step(f"written to {PAGE} and {CHART}")


def run(chosen, profiled=None):
    """The command, for some families, or all. `profiled`: only where this row's instructions go."""
    if profiled:
        print(profiling.text(profiled), end="")
        return 0
    unknown = set(chosen) - FAMILIES.keys()
    if unknown:
        raise LabError(f"there is no {' '.join(sorted(unknown))}; there are {' '.join(FAMILIES)}")
    packages.install(packages.BENCH)
    measured = _measure(chosen or FAMILIES)
    store.write(measured, table.EVENTS)
    shown = {row.name for rows in measured.values() for row in rows}
    print(table.text([row for row in table.rows(store.read()) if row.name in shown]), flush=True)
    _write()
    return 0
