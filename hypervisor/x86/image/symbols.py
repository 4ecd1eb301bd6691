#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the table that x86/symbols.c searches: the functions of a linked image,
by address, as assembler. Reads what nm prints; `--empty` for the first link.

    nm zelo.pass1 | symbols.py > symbols.S"""
import sys

BASE = "__text_start"


def functions(lines):
    """Sorted (offset from the start of text, name), one name for each address."""
    found, base = {}, 0
    for line in lines:
        words = line.split()
        if len(words) != 3:
            continue
        address, kind, name = int(words[0], 16), words[1], words[2]
        if name == BASE:
            base = address
        elif kind in "tT" and not name.startswith("__text_"):
            found.setdefault(address, name)
    return sorted((address - base, name) for address, name in found.items() if address >= base)


def main(empty):
    table = [] if empty else functions(sys.stdin)
    lines = ['.section .symbols, "a", @progbits', ".balign 4",
             ".globl symbol_count, symbol_table, symbol_names",
             f"symbol_count: .long {len(table)}", "symbol_table:"]
    at = 0
    for offset, name in table:
        lines.append(f".long {offset}, {at}")
        at += len(name) + 1
    lines.append("symbol_names:")
    lines += [f'.asciz "{name}"' for _, name in table]
    lines.append('.section .note.GNU-stack, "", @progbits')
    print("\n".join(lines))


if __name__ == "__main__":
    main("--empty" in sys.argv)
