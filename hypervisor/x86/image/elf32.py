#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns the linked 64-bit image into the 32-bit ELF file that multiboot loaders
take: the same segments at their physical addresses, nothing else.

    elf32.py LINKED OUTPUT"""
import struct
import sys

PT_LOAD = 1
PAGE = 4096
MASK32 = 0xffffffff


def segments(image):
    """(physical address, virtual address, bytes, size in memory, flags) of each."""
    offset, = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    for n in range(count):
        kind, flags, at, virt, phys, filesz, memsz, _ = \
            struct.unpack_from("<IIQQQQQQ", image, offset + n * size)
        if kind == PT_LOAD and memsz:
            yield phys, virt, image[at:at + filesz], memsz, flags


def main(source, target):
    with open(source, "rb") as file:
        image = file.read()
    entry, = struct.unpack_from("<Q", image, 24)
    parts = list(segments(image))
    headers, body, start = [], b"", None
    for phys, virt, data, memsz, flags in parts:
        if virt <= entry < virt + memsz:
            start = entry - virt + phys
        body += bytes(-len(body) % PAGE)
        headers.append(struct.pack("<8I", PT_LOAD, PAGE + len(body), phys, phys,
                                   len(data), memsz, flags, PAGE))
        body += data
    head = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\x01\x01\x01", 2, 3, 1, start & MASK32,
                       52, 0, 0, 52, 32, len(headers), 0, 0, 0)
    head += b"".join(headers)
    with open(target, "wb") as file:
        file.write(head.ljust(PAGE, b"\0") + body)


if __name__ == "__main__":
    main(*sys.argv[1:])
