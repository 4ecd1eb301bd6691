# SPDX-License-Identifier: MIT
"""bench/ledger.json: what was measured last of each row under each kind of machine, so that the families need not
all be measured at once."""
import dataclasses
import json

from labkit import paths

FILE = paths.ROOT / "bench" / "ledger.json"
ALL = "all"     # beside the columns of bench/decode.c


@dataclasses.dataclass(frozen=True)
class Stored:
    """A row as it was: of one operation."""
    name: str
    values: dict    # column, or ALL -> count

    def per_operation(self, column=None):
        """As that of counting.Measured; None for what has no such column."""
        return self.values.get(column or ALL)


def _values(row, columns):
    counts = {column: row.per_operation(column) for column in (None, *columns)}
    return {column or ALL: round(count, 4) for column, count in counts.items() if count is not None}


def _load():
    return json.loads(FILE.read_text(encoding="ascii")) if FILE.exists() else {}


def read():
    """Kind -> all that is stored."""
    return {kind: [Stored(name, values) for name, values in rows.items()] for kind, rows in _load().items()}


def write(measured, columns):
    """`measured`: (family, kind) -> rows, which take the place of all that was stored of these."""
    stored = _load()
    for (family, kind), rows in measured.items():
        kept = {name: values for name, values in stored.get(kind, {}).items() if name.partition(".")[0] != family}
        stored[kind] = kept | {row.name: _values(row, columns) for row in rows}
    FILE.write_text(json.dumps(stored, indent=1) + "\n", encoding="ascii")
