# SPDX-License-Identifier: MIT
"""Domain 0's kernel in each form it may come in: Debian's own is xz; the same
one packed anew starts as well."""
import gzip
import lzma
import struct
import subprocess

import pytest

from labkit import image
from labkit.qemu import Machine

pytestmark = pytest.mark.one_cpu

PAYLOAD_OFFSET, PAYLOAD_LENGTH, SETUP_SECTORS = 0x248, 0x24c, 0x1f1   # Linux's boot protocol


def _pipe(*command):
    return lambda data: subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


PACK = {"gzip": lambda data: gzip.compress(data, 1),
        "zstd": _pipe("zstd", "-q", "-1", "-c"),
        "lz4": _pipe("lz4", "-q", "-l", "-1", "-c")}


def _payload_start(kernel):
    offset, = struct.unpack_from("<I", kernel, PAYLOAD_OFFSET)
    return (kernel[SETUP_SECTORS] + 1) * 512 + offset


@pytest.fixture(name="kernel", scope="module")
def _kernel():
    """Debian's bzImage, and the ELF file in it."""
    kernel = image.Dom0().kernel.image.read_bytes()
    start = _payload_start(kernel)
    length, = struct.unpack_from("<I", kernel, PAYLOAD_LENGTH)
    return kernel, lzma.LZMADecompressor().decompress(kernel[start:start + length])


def _repacked(kernel, elf, form):
    """Behind the payload stands the unpacked size, but for gzip, which has it itself."""
    payload = PACK[form](elf) + (b"" if form == "gzip" else struct.pack("<I", len(elf)))
    new = bytearray(kernel[:_payload_start(kernel)]) + payload
    struct.pack_into("<I", new, PAYLOAD_LENGTH, len(payload))
    return new


def _starts(hypervisor, path, name):
    machine = Machine(f"format-{name}", memory=1024, cpus=1)
    machine.command += ["-kernel", str(hypervisor), "-nic", "none", "-append",
                        "console=com1 com1=115200,8n1 loglvl=all noreboot dom0_mem=512M",
                        "-initrd", f"{path} console=hvc0 earlyprintk=xen"]
    machine.console.crash = None    # it has no root to go on with
    with machine:
        machine.console.wait(r"Linux version 6", 60)


@pytest.mark.parametrize("form", PACK)
def test_packed(hypervisor, tmp_path, kernel, form):
    path = tmp_path / "vmlinuz"
    path.write_bytes(_repacked(*kernel, form))
    _starts(hypervisor, path, form)


def test_plain_elf(hypervisor, tmp_path, kernel):
    path = tmp_path / "vmlinux"
    path.write_bytes(kernel[1])
    _starts(hypervisor, path, "elf")
