# SPDX-License-Identifier: MIT
"""The lab's command line."""
import argparse
import shutil
import sys

from labkit import deb as packaging
from labkit import debug, fuzz, lab, paths
from labkit import run as runner
from labkit import test as tests
from labkit.bench import ledger
from labkit.ui import LabError, fail, step


def _parser():
    parser = argparse.ArgumentParser(
        prog="./lab", description="Build, boot and test the hypervisor under QEMU.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name, function, text):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        return command

    def machine_options(command):
        command.add_argument("--hypervisor", metavar="FILE",
                             help="boot this multiboot hypervisor instead of ours;"
                                  " `xen` is Debian's own")
        command.add_argument("--smp", type=int, default=2, metavar="N", help="CPUs (2)")
        command.add_argument("--mem", type=int, default=2048, metavar="MB", help="memory (2048)")
        command.add_argument("--machine", default="pc", metavar="TYPE", help="pc or q35 (pc)")
        command.add_argument("--cpu", metavar="MODEL", help="QEMU's -cpu, instead of the probed one")
        command.add_argument("--hv-args", default="", metavar="WORDS",
                             help="more for the hypervisor's command line")
        command.add_argument("--kernel-args", default="", metavar="WORDS",
                             help="more for domain 0's command line")
        command.add_argument("--qemu", action="append", default=[], metavar="WORD",
                             help="one more argument for QEMU; repeat it (--qemu=-d --qemu=int)")

    command = add("boot", boot, "Boot to domain 0 without interaction: print the serial console,"
                                " run commands, end.")
    machine_options(command)
    command.add_argument("-c", dest="script", default="", metavar="COMMANDS",
                         help="run these in domain 0's bash, on its console")
    command.add_argument("--full", action="store_true",
                         help="domain 0 with Python, QEMU, libvirt and boot loaders for guests")
    command.add_argument("--timeout", type=int, default=180, metavar="S",
                         help="give up after so many seconds (180)")
    command.add_argument("--name", default="boot", help="name of the log directory (boot)")
    command.add_argument("--no-xen-tools", action="store_true",
                         help="do not start xenstored and the other daemons")

    command = add("run", run, "Boot, start the guest `demo`, end at domain 0's shell.")
    machine_options(command)

    command = add("test", test, "Run the unit tests, the proofs, the static analysers and the system tests;"
                                " count them.")
    command.add_argument("--hypervisor", metavar="FILE",
                         help="run only the system tests, on this hypervisor; `xen` is Debian's")
    command.add_argument("-k", dest="expression", metavar="EXPR",
                         help="only the system tests whose names match (pytest's -k)")
    command.add_argument("--long", action="store_true",
                         help="in place of these the long tests: two hosts, a hundred domains, the Debian"
                              " package, a domain 0 with Python, QEMU, NBD and libvirt")
    command.add_argument("--list", action="store_true", help="list the system tests")

    command = add("fuzz", fuzz_on, "Fuzz core/ and pv/ on this machine, from the corpus in tests/fuzz on.")
    command.add_argument("minutes", type=float, metavar="MINUTES", help="how long")

    command = add("bench", bench, "Count the instructions of each operation on native Linux, Debian's Xen and Zelo;"
                                  " write docs/performance.md.")
    command.add_argument("family", nargs="*", help="only these: guest, linux, domu, job, memory")
    command.add_argument("--profile", dest="row", metavar="ROW",
                         help="instead tell in which of Zelo's functions the instructions of a row of the tiny guest"
                              " (guest.mmu_update_128), or of job.power_on, go")

    add("deb", deb, "Build the hypervisor's Debian package in build/.")

    command = add("gdb", gdb, "Boot stopped and attach gdb to the machine.")
    machine_options(command)

    command = add("log", log, "Print the last run's logs.")
    command.add_argument("--tail", type=int, default=100, metavar="N",
                         help="so many last lines of each (100; 0 for all)")
    add("clean", clean, "Remove everything the lab made, downloads included.")
    return parser


def _config(options, name):
    return lab.Config(hypervisor=lab.hypervisor(options.hypervisor), name=name, cpus=options.smp,
                      memory=options.mem, machine=options.machine, cpu=options.cpu,
                      hypervisor_args=options.hv_args, kernel_args=options.kernel_args,
                      qemu=options.qemu)


def _to_stdout(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def boot(options):
    """Boot, print everything; exit with the status of the commands."""
    config = _config(options, options.name)
    config.files["lab/commands"] = (options.script or "true").encode() + b"\n"
    config.full = options.full
    if options.no_xen_tools:
        config.kernel_args += " lab.noxen=1"
    machine = lab.boot(config)
    machine.console.tap = _to_stdout
    with machine:
        match, _ = machine.console.wait(r"^=lab-exit (\d+)=", options.timeout)
        step("domain 0 is done")
        return int(match[1])


def run(options):
    """The whole way to a guest."""
    return runner.run(_config(options, "run"))


def test(options):
    """All tests, or what is asked for."""
    if options.list:
        return tests.names()
    return tests.run(lambda: lab.hypervisor(options.hypervisor),
                     options.hypervisor is not None, options.expression, options.long)


def fuzz_on(options):
    """So many minutes, or until something is found."""
    return fuzz.run(options.minutes)


def bench(options):
    """The cost ledger."""
    return ledger.run(options.family, options.row)


def deb(_options):
    """The hypervisor to install on a real machine."""
    lab.build()
    step(f"made {packaging.make(paths.ZELO_GZ.parent, paths.ZELO_GZ)}")
    return 0


def gdb(options):
    """A debugger on the hypervisor."""
    config = _config(options, "gdb")
    ours = config.hypervisor == paths.ZELO
    return debug.gdb(config, paths.ZELO_SYMBOLS if ours else config.hypervisor)


def log(options):
    """The logs of the last run, whichever command it was."""
    runs = sorted(paths.LOG.glob("*/"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise LabError("nothing has run yet")
    for path in sorted(runs[-1].glob("*")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        print(f"==> {path} <==")
        print("\n".join(lines[-options.tail:]))
    return 0


def clean(_options):
    """All below the lab's own directory goes."""
    shutil.rmtree(paths.LAB, ignore_errors=True)
    return 0


def main(arguments):
    """Parse and run; errors meant for the user come without a traceback."""
    options = _parser().parse_args(arguments)
    try:
        return options.function(options) or 0
    except LabError as error:
        fail(error)
        return 1
    except KeyboardInterrupt:
        return 130
