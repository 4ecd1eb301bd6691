# SPDX-License-Identifier: MIT
"""What cannot work says why, in one clear line on the console. The words are
each hypervisor's own; that there are such words is the test."""
import re
import socket
import time

import pytest

from labkit import image, lab
from labkit.qemu import Machine

pytestmark = pytest.mark.one_cpu

# Error -> what Zelo says, what Debian's Xen says.
SAYS = {
    "no module": (r"no domain 0 kernel|missing module", r"dom0 kernel not specified"),
    "no PV": (r"no paravirtual|not a Xen (PV )?kernel|no PV support|no Xen notes",
              r"Could not construct domain 0|Could not .*construct d0"),
    "compression": (r"unknown compression|unsupported compression|unknown kernel format",
                    r"Could not construct domain 0|Could not .*construct d0"),
    "memory": (r"(not enough|too little|out of) memory",
               r"Could not construct domain 0|[Nn]ot enough (RAM|memory)|domain 0 allocation"),
}
SECONDS = 60


def _expect(hypervisor, error, name, *, kernel=None, memory=2048, hypervisor_args=None):
    """Boot with what is wrong and wait for the line."""
    config = lab.Config(hypervisor=hypervisor, name=f"error-{name}")
    arguments = hypervisor_args or lab.hypervisor_arguments(config)
    modules = []
    if kernel:
        modules = ["-initrd", f"{kernel} {lab.kernel_arguments(config)},{image.Dom0().initrd}"]
    machine = Machine(config.name, memory=memory, cpus=1)
    machine.command += ["-kernel", str(hypervisor), "-append", arguments, "-nic", "none", *modules]
    with machine:
        console = machine.console
        console.wait(r"Xen version|Zelo", SECONDS)
        ours = re.search(r"^(?!.*Xen version).*Zelo", console.text(), re.M) is not None
        match, _ = console.wait(r"^[^\n]*(?:" + SAYS[error][0 if ours else 1] + r")[^\n]*\n", SECONDS)
        line = match[0].decode().strip()
        assert len(line) < 160, line


def test_missing_module(hypervisor):
    _expect(hypervisor, "no module", "module")


def test_kernel_without_pv(hypervisor, programs):
    """An ELF program that has no Xen notes."""
    _expect(hypervisor, "no PV", "pv", kernel=programs["plain64"])


def test_unknown_compression(hypervisor, tmp_path):
    """A bzImage whose payload begins as no compression does."""
    kernel = bytearray(image.Dom0().kernel.image.read_bytes())
    setup = (kernel[0x1f1] + 1) * 512
    payload = setup + int.from_bytes(kernel[0x248:0x24c], "little")
    kernel[payload:payload + 8] = b"NOTAZIP!"
    path = tmp_path / "vmlinuz"
    path.write_bytes(kernel)
    _expect(hypervisor, "compression", "compression", kernel=path)


def test_too_little_memory(hypervisor):
    """A domain 0 that does not fit the machine."""
    _expect(hypervisor, "memory", "memory", kernel=image.Dom0().kernel.image, memory=256,
            hypervisor_args="console=com1 com1=115200,8n1 loglvl=all noreboot dom0_mem=64M,max:64M")


def _screen(machine):
    """The lines of the text screen, as QEMU's monitor reads them from the card's memory."""
    path = machine.scratch / "screen"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(machine.scratch / "monitor"))
        monitor.sendall(f'pmemsave 0xb8000 4000 "{path}"\n'.encode())
        while not path.exists() or path.stat().st_size < 4000:
            assert monitor.recv(4096), "QEMU's monitor is gone"
    cells = path.read_bytes()[::2].decode("ascii", "replace")
    return [cells[start:start + 80].rstrip() for start in range(0, len(cells), 80)]


def test_text_screen(hypervisor):
    """console=vga: what is said stands on the screen, the last words too."""
    words = "|".join(SAYS["no module"])
    machine = Machine("screen", memory=256, cpus=1, extra=[
        "-vga", "std", "-nic", "none", "-kernel", hypervisor,
        "-append", "console=vga,com1 com1=115200,8n1 noreboot"])
    machine.command += ["-chardev", f"socket,id=monitor,path={machine.scratch}/monitor,server=on,wait=off",
                        "-mon", "chardev=monitor,mode=readline"]
    with machine:
        machine.console.wait(words, SECONDS)
        deadline = time.monotonic() + SECONDS   # the screen may come after the serial line
        while not any(re.search(words, line) for line in _screen(machine)):
            assert time.monotonic() < deadline, _screen(machine)
