# SPDX-License-Identifier: MIT
"""`./lab run`: from nothing to domain 0's shell with the guest `demo` running."""
import os
import select
import sys
import termios
import threading
import tty

from labkit import image, lab, paths
from labkit.ui import LabError, step

DISK_MEGABYTES = 4096
LEAVE = b"\x1d"  # Ctrl-]


def lab_disk(path):
    """The disk domain 0 keeps its volume group on: sparse, made once."""
    if not path.exists():
        step("making the lab's disk")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as disk:
            disk.truncate(DISK_MEGABYTES << 20)
    return path


def disk_options(path, serial, read_only=False, shared=False):
    """A virtio disk that domain 0 finds by its serial number. A shared one may
    be open in several QEMUs of this machine, which see each other's writes."""
    return ["-drive", f"file={path},format=raw,if=none,id={serial},cache=unsafe,discard=unmap"
            + (",readonly=on" if read_only else "") + (",file.locking=off" if shared else ""),
            "-device", f"virtio-blk-pci,drive={serial},serial={serial}"
            + (",share-rw=on" if shared else "")]


def demo_config(config):
    """Add to `config` the disks of the demo guest."""
    root = image.guest_root()
    disk = paths.LAB / f"disk-{root.stem}.img"
    for old in paths.LAB.glob("disk-guest-*.img"):
        if old != disk:
            old.unlink()
    config.qemu = [*disk_options(lab_disk(disk), "lab"), *disk_options(root, "root", True),
                   *config.qemu]
    config.kernel_args += " lab.demo=1"
    return config


def _follow(machine, seconds):
    """Show domain 0's steps until the guest is up."""
    position = 0
    while True:
        match, position = machine.console.wait(
            r"^=lab: (.*?)\r*\n|^=lab\| (.*?)\r*\n", seconds, position)
        said, shown = (None if part is None else part.decode(errors="replace").strip()
                          for part in match.groups())
        if said == "demo done":
            return
        if shown is not None:
            print(shown, flush=True)
        elif said.startswith("failed"):
            raise LabError(f"{said}; the console is in {machine.log}/console.log")
        else:
            step(said)


def _pump(machine, interactive):
    """Pass the user's keys to the console until QEMU ends or Ctrl-] is typed."""
    typed = False
    while machine.process.poll() is None:
        if not select.select([sys.stdin], [], [], 0.2)[0]:
            continue
        data = os.read(sys.stdin.fileno(), 1024)
        if interactive and LEAVE in data:
            return
        if not data:
            if not typed:
                return
            machine.process.wait()
            return
        typed = True
        machine.console.send(data, piece=16)


def attach(machine):
    """Join the user's terminal to domain 0's console."""
    lock = threading.Lock()

    def show(data):
        with lock:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    machine.console.tap = show
    if not sys.stdin.isatty():
        machine.console.send(b"\n")
        _pump(machine, False)
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        machine.console.send(b"\n")
        _pump(machine, True)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        print()


def run(config):
    """The whole of `./lab run`."""
    demo_config(config)
    step(f"starting QEMU ({config.hypervisor.name}, {config.cpus} CPUs, {config.memory} MB)")
    with lab.boot(config) as machine:
        machine.console.wait(r"Linux version", 120)
        step("domain 0's kernel runs")
        _follow(machine, 300)
        step("domain 0's shell: `poweroff` or Ctrl-] ends;"
             " `xl console -e ^o demo` enters demo until Ctrl-O")
        attach(machine)
    return 0
