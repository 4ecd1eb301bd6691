# SPDX-License-Identifier: MIT
"""bench/budgets: what each operation of the quick subset may cost on Zelo. A line is
a name, the instructions of one operation, and whatever explains them after a `#`."""
from labkit import paths
from labkit.ui import LabError

FILE = paths.ROOT / "bench" / "budgets"
GROWTH = 1.03


def read():
    """Name -> instructions."""
    budgets = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if words:
            name, cost = words
            if name in budgets:
                raise LabError(f"{FILE}: {name} has two budgets")
            budgets[name] = float(cost)
    return budgets


def over(measured, budgets):
    """A line for each row that costs too much, has no budget, or is no longer measured."""
    costs = {each.name: each.per_operation() for each in measured}
    for name, cost in costs.items():
        if name not in budgets:
            yield f"{name}: {cost:.1f} instructions, and no budget"
        elif cost > GROWTH * budgets[name]:
            yield f"{name}: {cost:.1f} instructions, {100 * cost / budgets[name] - 100:.1f} % over its {budgets[name]:g}"
    for name in budgets.keys() - costs.keys():
        yield f"{name}: has a budget, and was not measured"


def text(measured):
    """A file of budgets that are what was measured."""
    return "".join(f"{each.name} {each.per_operation():.1f}\n" for each in measured)
