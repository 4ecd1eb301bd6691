# SPDX-License-Identifier: MIT
"""Builds tests/system/programs with the machine's gcc, no other libraries, and the hostile guest."""
import pathlib
import subprocess

from labkit import lab

SOURCE = pathlib.Path(__file__).parent / "programs"
BARE = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"]
TINY_KINDS = {"idle": 1, "undefined": 2, "nowhere": 3, "rubbish": 4, "wild": 5, "spin": 6}
TOOLS = ["free_pages", "domain_info", "claim", "fail_allocation"]


def _gcc(output, *arguments):
    subprocess.run(["gcc", "-o", str(output), *map(str, arguments)], check=True)
    return output


def build_all(directory):
    """Everything, as {name: path}."""
    made = {
        "compat32": _gcc(directory / "compat32", "-m32", "-O2", "-ffreestanding", "-fno-pic",
                         "-fno-stack-protector", *BARE, SOURCE / "compat32.c"),
        "plain64": _gcc(directory / "plain64", "-O2", "-ffreestanding", *BARE,
                        SOURCE / "plain64.c"),
        "ldt": _gcc(directory / "ldt", "-static", "-no-pie", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-fno-stack-protector", SOURCE / "ldt.c"),
    }
    for name in TOOLS:
        made[name] = _gcc(directory / name, "-static", "-O2", "-Wall", "-Wextra", "-Werror",
                          SOURCE / f"{name}.c")
    for name, kind in TINY_KINDS.items():
        made[f"tiny-{name}"] = _gcc(directory / f"tiny-{name}", f"-DKIND={kind}", *BARE,
                                    f"-Wl,-T,{SOURCE / 'tiny.lds'}", SOURCE / "tiny.S")
    made["hostile"] = lab.build_guest("hostile")
    return made
