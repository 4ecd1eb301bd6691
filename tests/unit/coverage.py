# SPDX-License-Identifier: MIT
"""Sums up what gcov counted in the unit tests: one closing line with each room's share of lines that ran,
before it the files with the most lines left, or the lines themselves of the files asked for.

Exits with 1 if a room is below the share asked for."""
import argparse
import collections
import json
import pathlib
import subprocess
import sys

ROOMS = ("core", "pv")
HYPERVISOR = pathlib.PurePath("hypervisor")


def room_of(source):
    """The room a source file belongs to, or None."""
    path = pathlib.PurePath(source)
    return path.parts[1] if len(path.parts) == 3 and path.parent.parent == HYPERVISOR else None


def counted(build):
    """{source: {line: times it ran}} of the rooms. A file that no test links counts too: it never ran.
    Tests' own objects are among the notes, for a test may include a source."""
    notes = sorted(map(str, build.rglob("*.gcno")))
    output = subprocess.run(["gcov", "--json-format", "--stdout", *notes], check=True, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    sources = collections.defaultdict(dict)
    for unit in map(json.loads, output.splitlines()):
        for file in unit["files"]:
            if room_of(file["file"]) in ROOMS and pathlib.Path(file["file"]).exists():  # notes outlive sources
                lines = sources[file["file"]]
                for line in file["lines"]:
                    number = line["line_number"]
                    lines[number] = max(lines.get(number, 0), line["count"])
    return sources


def left(lines):
    """The lines that never ran, in order."""
    return sorted(number for number, count in lines.items() if not count)


def show_left(source, lines):
    """Prints the lines of one file that never ran."""
    text = pathlib.Path(source).read_text(encoding="utf-8").splitlines()
    for number in left(lines):
        print(f"{source}:{number}: {text[number - 1]}")


def show_worst(sources, count):
    """Prints the files with the most lines left."""
    for source in sorted(sources, key=lambda name: -len(left(sources[name])))[:count]:
        if left(sources[source]):
            print(f"{len(left(sources[source])):5} of {len(sources[source]):4} lines left in {source}")


def shares(sources):
    """{room: percentage of its lines that ran}"""
    all_lines, ran = collections.Counter(), collections.Counter()
    for source, lines in sources.items():
        all_lines[room_of(source)] += len(lines)
        ran[room_of(source)] += len(lines) - len(left(lines))
    return {room: 100 * ran[room] / all_lines[room] if all_lines[room] else 0.0 for room in ROOMS}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path, help="where the tests were built and ran")
    parser.add_argument("--at-least", type=float, default=0, metavar="PERCENT")
    parser.add_argument("--worst", type=int, default=0, metavar="N", help="list so many files")
    parser.add_argument("files", nargs="*", help="show what is left of these (a part of the path)")
    arguments = parser.parse_args()
    sources = counted(arguments.build)
    for source, lines in sorted(sources.items()):
        if any(part in source for part in arguments.files):
            show_left(source, lines)
    show_worst(sources, arguments.worst)
    percent = shares(sources)
    print("coverage: " + ", ".join(f"{room} {percent[room]:.1f} %" for room in ROOMS))
    return 1 if min(percent.values()) < arguments.at_least else 0


if __name__ == "__main__":
    sys.exit(main())
