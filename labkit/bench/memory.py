# SPDX-License-Identifier: MIT
"""What memory a hypervisor takes, how large it is, and how many lines it has."""
import re
import struct

from labkit import lab, paths
from labkit.bench import counting
from labkit.bench.counting import Figure
from labkit.qemu import Machine
from labkit.ui import LabError, step

GIGABYTES = (1, 2, 4)
SECONDS = 600
PAGE = 4096
PAGES_PER_GB = (1 << 30) // PAGE
DOMAINS, VCPUS = 20, 5      # of guests/memory
PT_LOAD = 1


def _told(kind, gigabytes):
    """What guests/memory says, as domain 0 of a machine with so much memory."""
    step(f"measuring the memory of {kind} in {gigabytes} GB")
    machine = Machine(f"memory-{kind}", memory=gigabytes << 10, cpus=1)
    machine.command += ["-kernel", str(counting.hypervisor(kind)), "-append",
                        "console=com1 com1=115200,8n1 dom0_mem=64M,max:64M noreboot",
                        "-nic", "none", "-initrd", str(lab.build_guest("memory"))]
    with machine:
        machine.console.wait(r"^memory: (done|FAIL)", SECONDS)
        text = machine.console.text()
    if "memory: FAIL" in text:
        raise LabError(f"no figures of memory:\n{text[-3000:]}")
    return text


def _taken(text, gigabytes):
    """Bytes that are neither free nor domain 0's."""
    free, own = map(int, re.search(r"^memory: (\d+) free (\d+) own\r*$", text, re.M).groups())
    return (gigabytes * PAGES_PER_GB - free - own) * PAGE


def _of_domains(text):
    """(Domains, vCPUs of each) -> bytes that they take beside their own memory."""
    found = re.findall(r"^memory: (\d+) domains of (\d+) vCPUs take (\d+)\r*$", text, re.M)
    return {(int(domains), int(vcpus)): int(pages) * PAGE for domains, vcpus, pages in found}


def _in_use(kind):
    """The rows of a running hypervisor."""
    texts = {each: _told(kind, each) for each in GIGABYTES}
    taken = {each: _taken(text, each) for each, text in texts.items()}
    small, middle, large = GIGABYTES
    per_gb = (taken[large] - taken[middle]) / (large - middle)
    domains = _of_domains(texts[middle])
    one, five = domains[DOMAINS, 1], domains[DOMAINS, VCPUS]
    per_vcpu = (five - one) / DOMAINS / (VCPUS - 1)
    return [Figure("memory.per_gb", per_gb), Figure("memory.fixed", taken[small] - small * per_gb),
            *(Figure(f"memory.of_{each}_gb", taken[each]) for each in GIGABYTES),
            Figure("memory.per_domain", one / DOMAINS), Figure("memory.per_vcpu", per_vcpu)]


def _loaded(path):
    """The memory of all that an ELF file, of 32 or 64 bits, has loaded."""
    data = path.read_bytes()
    wide = data[4] == 2
    table, = struct.unpack_from("<Q" if wide else "<I", data, 32 if wide else 28)
    size, count = struct.unpack_from("<HH", data, 54 if wide else 42)
    headers = [struct.unpack_from("<IIQQQQQQ" if wide else "<IIIIIIII", data, table + n * size) for n in range(count)]
    return sum(header[6 if wide else 5] for header in headers if header[0] == PT_LOAD)


def _lines():
    """Of Zelo's own code, without empty ones and comments."""
    sources = [path for path in (paths.ROOT / "hypervisor").rglob("*") if path.suffix in (".c", ".h", ".S")]
    texts = (re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S) for path in sources)
    return sum(1 for text in texts for line in text.splitlines() if line.strip())


def _of_file(kind):
    """The rows of its file."""
    path = counting.hypervisor(kind)
    rows = [Figure("memory.image.file", path.stat().st_size), Figure("memory.image.loaded", _loaded(path))]
    return rows + ([Figure("memory.lines", _lines())] if kind == "zelo" else [])


def measure(kind):
    """All rows of "xen" or "zelo"."""
    return _of_file(kind) + _in_use(kind)
