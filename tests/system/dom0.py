# SPDX-License-Identifier: MIT
"""Domain 0 as the tests see it: commands in it, and guests it starts."""
import contextlib
import re
import shlex

from labkit import image, lab
from labkit import run as runner
from labkit.ui import LabError, step

BOOT_SECONDS = 240


def listening(port, streams, after=""):
    """A shell command that leaves a listener for one connection in the
    background, and ends once it does listen."""
    return (f"(nc -l -p {port} {streams} 2>/dev/null {after}) & "
            f"until cat /proc/net/tcp /proc/net/tcp6 | grep -q ':{port:04X} .* 0A '; do sleep 0.1; done")


class Dom0:
    """A booted machine; `run` and `check` are those of labkit.agent.Agent."""

    def __init__(self, machine, config):
        self.machine = machine
        self.config = config
        self._agent = lab.agent(machine, config)
        self._agent.wait_ready(BOOT_SECONDS)
        self.run = self._agent.run
        self.check = self._agent.check

    @classmethod
    @contextlib.contextmanager
    def booted(cls, config):
        """Domain 0 up, its agent answering."""
        with contextlib.ExitStack() as stack:
            yield cls._up(stack, config, lambda: lab.boot(config))

    @classmethod
    @contextlib.contextmanager
    def with_guests(cls, config, programs, shared_disk=None):
        """The same, with disks for guests and the small programs in /lab.
        `shared_disk`: a file that other machines use too, in place of a disk of its own."""
        root = image.guest_root()
        for name, path in programs.items():
            config.files[f"lab/{name}"] = (path.read_bytes(), 0o755)
        with contextlib.ExitStack() as stack:
            yield cls._up(stack, config, lambda: _with_disks(config, root, shared_disk))

    @classmethod
    def _up(cls, stack, config, boot):
        """Domain 0 of the machine that `boot` starts; of a second one, if QEMU broke."""
        machine = stack.enter_context(boot())
        try:
            return cls(machine, config)
        except LabError:
            if not machine.broke():
                raise
            step(f"QEMU broke: {machine.errors().strip()}; once more")
        return cls(stack.enter_context(boot()), config)

    def names(self):
        """The domains xl lists, without domain 0."""
        lines = self.check("xl list").splitlines()[1:]
        return [line.split()[0] for line in lines if line.split()[0] != "Domain-0"]

    def state(self, name):
        """xl's state letters of a domain, or None when it is gone."""
        for line in self.check("xl list").splitlines()[1:]:
            if line.split()[0] == name:
                return line.split()[4]
        return None

    def wait_until(self, command, seconds):
        """Run a shell condition again and again until it holds, at most so long."""
        self.check(f"until {command}; do sleep 0.2; done", seconds)

    def wait_gone(self, name, seconds=60):
        """Until a domain is no more."""
        self.wait_until(f"! xl domid {name} >/dev/null 2>&1", seconds)

    def free_pages(self):
        """Free pages of the hypervisor."""
        return int(self.check("/lab/free_pages"))

    def refuses(self, command, words):
        """Fail unless a command fails and says why: a pattern."""
        result = self.run(command, 60)
        assert result.status != 0, f"{command!r} did not fail:\n{result.output}"
        assert re.search(words, result.output), f"{command!r} said:\n{result.output}"

    def disk(self, serial):
        """The device of a disk of domain 0, by its serial number."""
        return "/dev/" + self.check(f"grep -lx {serial} /sys/block/*/serial").split("/")[3]

    def guest(self, name, **settings):
        """A Guest, not yet started."""
        return Guest(self, name, **settings)

    def alive(self):
        """Fail unless domain 0 and its tools answer."""
        assert "Domain-0" in self.check("xl list", 20)
        assert self.check("echo here", 20) == "here\n"


def _with_disks(config, root, shared_disk):
    """Boot with an empty disk for volumes, and the guests' root to copy from.
    A disk of its own lives in the machine's scratch directory and goes with it."""
    machine = lab.prepare(config)
    disk = shared_disk or runner.lab_disk(machine.scratch / "disk.img")
    machine.command += runner.disk_options(disk, "lab", shared=shared_disk is not None)
    machine.command += runner.disk_options(root, "root", True)
    return machine.start()


class Guest:
    """A Linux guest whose console is an agent. A context: started on entry, up
    and answering; destroyed on exit if the test has not ended it."""

    def __init__(self, dom0, name, *, vcpus=1, memory=192, ip=None, disk=True, vif=True,
                 more_disks=(), settings="", arguments=""):
        self.dom0 = dom0
        self.name = name
        self.ip = ip or "10.17.0.2"
        self.volume = f"/dev/lab/{name}" if disk else None
        disks = [f'"{each}"' for each in ([f"phy:{self.volume},xvda,w"] if disk else []) + list(more_disks)]
        lines = [f'name = "{name}"', f"memory = {memory}", f"vcpus = {vcpus}",
                 'kernel = "/boot/vmlinuz"', 'ramdisk = "/boot/guest-initrd"',
                 f'extra = "console=hvc0 quiet norandmaps lab.agent=console lab.name={name}'
                 f' lab.ip={self.ip} {arguments}"',
                 f"disk = [ {', '.join(disks)} ]" if disks else "",
                 'vif = [ "bridge=xenbr0" ]' if vif else "", settings]
        self.config = "\n".join(lines) + "\n"

    def prepare(self):
        """Make the volume if need be, and the file for `xl create`: its path."""
        if self.volume:
            self.dom0.check(f"/lab-volume {self.name}", 90)
        path = f"/tmp/{self.name}.cfg"
        self.dom0.check(f"printf %s {shlex.quote(self.config)} >{path}")
        return path

    def create(self):
        """Prepare, and `xl create`."""
        self.dom0.check(f"xl create {self.prepare()}", 150)
        return self

    def wait_up(self):
        """Until the guest's agent answers."""
        try:
            self.dom0.wait_until(f"domu-run {self.name} 5 true >/dev/null 2>&1", 240)
        except LabError as error:
            raise LabError(f"{self.name} does not answer: {error}\n{self.console()}") from None
        return self

    def run(self, command, timeout=60):
        """A command in the guest: its Result."""
        return self.dom0.run(f"domu-run {self.name} {timeout} {shlex.quote(command)}",
                             timeout + 60)

    def check(self, command, timeout=60):
        """A command in the guest that must succeed: what it printed."""
        result = self.run(command, timeout)
        assert result.status == 0, f"{command!r} gave {result.status}:\n{result.output}"
        return result.output

    def console(self):
        """What xenconsoled logged of the guest."""
        return self.dom0.run(f"tail -n 60 /var/log/xen/console/guest-{self.name}.log").output

    def shutdown(self):
        """`xl shutdown`, and wait until it is gone."""
        self.dom0.check(f"xl shutdown -w {self.name}", 90)
        self.dom0.wait_gone(self.name)

    def destroy(self):
        """`xl destroy`, if it is still there."""
        if self.dom0.state(self.name) is not None:
            self.dom0.run(f"xl unpause {self.name}; xl destroy {self.name}", 60)
            self.dom0.wait_gone(self.name)

    def __enter__(self):
        try:
            return self.create().wait_up()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.dom0.machine.process.poll() is None:
            self.destroy()


def tiny(name, kind, settings="", memory=16):
    """The configuration of a tiny kernel (programs/tiny.S)."""
    return (f'name = "{name}"\nmemory = {memory}\nvcpus = 1\nkernel = "/lab/tiny-{kind}"\n'
            f'on_crash = "destroy"\n{settings}\n')


COMPAT32_SAYS = "int80 works\nvsyscall works\n"


def check_compat32(dom0):
    """programs/compat32.c runs in domain 0, on each CPU."""
    for cpu in range(dom0.config.cpus):
        assert dom0.check(f"taskset -c {cpu} /lab/compat32") == COMPAT32_SAYS


def fetch(guest, program):
    """Bring one of the small programs into a guest, over its network card: its place there."""
    guest.dom0.check(listening(7100, f"</lab/{program} >/dev/null"))
    guest.check(f"cat </dev/tcp/10.17.0.1/7100 >/tmp/{program}; chmod +x /tmp/{program}")
    return f"/tmp/{program}"


def check_compat32_in(guest):
    """The same in a guest."""
    assert guest.check(fetch(guest, "compat32")) == COMPAT32_SAYS
