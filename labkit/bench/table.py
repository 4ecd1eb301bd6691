# SPDX-License-Identifier: MIT
"""The ledger's table: a row for each operation, what it costs in instructions under
each kind of machine, and what of these costs a real CPU more than others."""
import dataclasses

KINDS = ("native", "xen", "zelo")
# What a name begins with -> the heading of those rows.
GROUPS = {"guest": "A tiny guest", "linux": "Linux, natively and as domain 0", "domu": "Linux in a domain U",
          "job": "Whole jobs", "memory": "Memory and size"}
HEAD = ["operation", "native", "Xen", "Zelo", "Zelo/native", "Zelo/Xen", "the hypervisor's, Xen and Zelo",
        "CR3 writes", "other TLB flushes", "serialising", "locked", "fences", "turns of string instructions"]
EVENTS = ("hypervisor", "cr3", "tlb", "serialising", "locked", "fence", "string")


@dataclasses.dataclass
class Row:
    """One operation; `of` has what was measured for it under each kind that has it."""
    name: str
    of: dict = dataclasses.field(default_factory=dict)

    @property
    def group(self):
        """Which of GROUPS it is of."""
        return self.name.partition(".")[0]

    def cost(self, kind, column=None):
        """Of one operation; None where there is none."""
        return self.of[kind].per_operation(column) if kind in self.of else None

    def ratio(self, kind, to):
        """How many times as much as the other kind; None where one has none."""
        mine, other = self.cost(kind), self.cost(to)
        return mine / other if mine is not None and other else None


def rows(measured):
    """`measured`: kind -> what was measured. The rows, in the groups' order, then that of their appearance."""
    found = {}
    for kind in KINDS:
        for each in measured.get(kind, []):
            found.setdefault(each.name, Row(each.name)).of[kind] = each
    return sorted(found.values(), key=lambda row: list(GROUPS).index(row.group))


def number(value):
    """As many digits as say something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _ratio(value):
    return "" if value is None else f"{value:.2f}"


def _pair(row, column):
    """An event's cell: Xen's count and ours."""
    counts = [row.cost(kind, column) for kind in ("xen", "zelo")]
    return "" if all(count is None for count in counts) else " / ".join(number(count) or "-" for count in counts)


def cells(row):
    """A row's, after HEAD."""
    return [row.name.partition(".")[2].replace("_", " "), *(number(row.cost(kind)) for kind in KINDS),
            _ratio(row.ratio("zelo", "native")), _ratio(row.ratio("zelo", "xen")),
            *(_pair(row, column) for column in EVENTS)]


def _lines(head, body):
    """Aligned, in Markdown."""
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(head, widths)) + " |"
    yield "| " + " | ".join(rule) + " |"
    for line in body:
        yield "| " + " | ".join([line[0].ljust(widths[0]),
                                 *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:]))]) + " |"


def text(all_rows):
    """All of it, in Markdown: a table for each group that has rows."""
    out = []
    for group, heading in GROUPS.items():
        body = [cells(row) for row in all_rows if row.group == group]
        if body:
            out += [f"### {heading}", "", *_lines(HEAD, body), ""]
    return "\n".join(out)
