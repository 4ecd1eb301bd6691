# SPDX-License-Identifier: MIT
"""`./lab bench`: runs every family under every kind of machine, prints the table and
writes it into docs/performance.md, with its chart beside."""
import re

from labkit import packages, paths
from labkit.bench import guest, linux, profiling, table
from labkit.ui import LabError, step

PAGE = paths.ROOT / "docs" / "performance.md"
CHART = paths.ROOT / "docs" / "performance.svg"
BEGIN, END = "<!-- ledger: written by ./lab bench -->", "<!-- ledger: end -->"


def families():
    """Name -> what measures it: for each kind of machine a function that returns a list of rows."""
    return {
        "guest": {kind: guest.measure for kind in ("xen", "zelo")},
        "linux": {kind: linux.measure for kind in table.KINDS},
        "domu": {kind: linux.measure_domu for kind in ("xen", "zelo")},
    }


def measure(chosen):
    """Kind -> all rows of the chosen families (all, if none is named)."""
    measured = {kind: [] for kind in table.KINDS}
    for family, by_kind in families().items():
        if chosen and family not in chosen:
            continue
        for kind, function in by_kind.items():
            step(f"measuring {family}, {kind}")
            measured[kind] += function(kind)
    return measured


def written(page, tables):
    """The page with these tables in place of the old."""
    found = re.search(f"{BEGIN}\n.*{END}", page, re.S)
    if not found:
        raise LabError(f"{PAGE} has no place for the ledger")
    return page[:found.start()] + f"{BEGIN}\n\n{tables}\n{END}" + page[found.end():]


def run(chosen, profiled=None):
    """The command. Only the whole ledger is written down. `profiled`: only where this row's instructions go."""
    if profiled:
        print(profiling.text(profiled), end="")
        return 0
    packages.install(packages.BENCH)
    from labkit.bench import chart      # its library may have been missing until now
    rows = table.rows(measure(chosen))
    tables = table.text(rows)
    print(tables, flush=True)
    if not chosen:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), tables), encoding="utf-8")
        CHART.write_text(chart.draw(rows), encoding="utf-8")
        step(f"written to {PAGE} and {CHART}")
    return 0
