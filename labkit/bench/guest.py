# SPDX-License-Identifier: MIT
"""The tiny guest of the cost ledger, guests/bench, as domain 0 of either hypervisor."""
from labkit import lab
from labkit.bench import counting
from labkit.qemu import Machine
from labkit.ui import LabError

SECONDS = 600


def run(kind, plugin=counting.options, command_line=""):
    """The guest on a hypervisor, "xen" or "zelo", with a plugin's options: the plugin's file, and what was said."""
    machine = Machine(f"bench-guest-{kind}", memory=512, cpus=1, counted=True)
    counts = machine.log / "counts"
    machine.command += [*plugin(counts), "-nic", "none",
                        "-kernel", str(counting.hypervisor(kind)), "-append",
                        "console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all noreboot"
                        f" dom0_mem=64M,max:64M dom0_max_vcpus=2 {command_line}",
                        "-initrd", str(lab.build_guest("bench"))]
    with machine:
        said, _ = machine.console.wait(r"^bench: (done|FAIL.*)\r?\n", SECONDS)
        text = machine.console.text()
    if said[1] != b"done":
        raise LabError(said[0].decode("utf-8", "replace").strip())
    return counts, text


def measure(kind):
    """The rows of a hypervisor."""
    return counting.rows(*run(kind))
