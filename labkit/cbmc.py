# SPDX-License-Identifier: MIT
"""cbmc, for `make proofs`. Debian has it from release 13 on. On an older one that
release's is unpacked beside the machine's own programs, with the libraries that
it wants: `python3 -m labkit.cbmc`."""
import shutil
import subprocess

from labkit import packages, paths, suites
from labkit.ui import step

SUITE = "trixie"
# It starts gcc, which is this machine's.
NEEDED = [*packages.PROOFS, "minisat", "libstdc++6", "libgcc-s1", "libc6"]
PROGRAMS = ["cbmc", "goto-cc"]

WRAPPER = """#!/bin/sh
tree={tree}
lib=$tree/usr/lib/x86_64-linux-gnu
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib:$tree/usr/lib" "$tree/usr/bin/{program}" "$@"
"""


def _in_this_debian():
    """Is there a candidate for apt-get install?"""
    policy = subprocess.run(["apt-cache", "policy", *packages.PROOFS], capture_output=True, text=True,
                            check=False)
    return "Candidate: " in policy.stdout and "Candidate: (none)" not in policy.stdout


def _unpack(home):
    """The other release's programs, below `home`."""
    suite = suites.Suite(SUITE, "cbmc")
    suite.update()
    suite.forget("")                            # all are of one day
    partial = home.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    packages.unpack(suite.fetch(NEEDED), partial / "tree")
    (partial / "bin").mkdir()
    for program in PROGRAMS:
        wrapper = partial / "bin" / program
        wrapper.write_text(WRAPPER.format(tree=home / "tree", program=program), encoding="ascii")
        wrapper.chmod(0o755)
    partial.rename(home)


def install():
    """cbmc is on the path afterwards, or in the lab where tests/proof/proof.mk looks for it."""
    home = paths.LAB / "cbmc"
    if shutil.which("cbmc") or home.exists():
        return
    if _in_this_debian():
        packages.install(packages.PROOFS)
        return
    with paths.locked("cbmc"):
        if not home.exists():
            step(f"cbmc, from Debian's {SUITE}")
            _unpack(home)


if __name__ == "__main__":
    install()
