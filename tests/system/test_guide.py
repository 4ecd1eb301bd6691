# SPDX-License-Identifier: MIT
"""docs/guide.md, followed by someone who types what it says, from Debian on a
disk to machines that start with the host, and back to plain Linux. After each
step is looked what came of it."""
import re
import shlex

import pytest

from labkit import deb, grub, host, mirror, paths
from labkit import disk as layout
from labkit.agent import Agent

pytestmark = pytest.mark.long

GUIDE = paths.ROOT / "docs" / "guide.md"
BOOT_SECONDS = 400
# Root's own PATH on Debian; and xl top is left with q.
TYPED = ("PATH=/usr/local/sbin:/usr/local/bin:$PATH; xl() { [ \"$1\" = top ] || { command xl \"$@\"; return; };"
         " (sleep 5; printf q) | TERM=vt100 timeout 60 script -qfec 'command xl top' /tmp/top >/dev/null; }")


def _sections():
    """The guide's sections: number -> its blocks of commands."""
    parts = re.split(r"^## (\d+)\. .*$", GUIDE.read_text(encoding="utf-8"), flags=re.M)
    return {int(number): re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
            for number, text in zip(parts[1::2], parts[2::2])}


class Reader:
    """The machine, and how far in the guide one is."""

    def __init__(self, machine, address):
        self.machine = machine
        self.blocks = _sections()
        self.address = address
        self._agent = Agent(machine.agent)
        self._agent.wait_ready(BOOT_SECONDS)
        self.run, self.check = self._agent.run, self._agent.check

    def follow(self, section, count=None):
        """Type the next blocks of a section, all or so many; returns what they printed."""
        blocks = self.blocks[section]
        shown = [self._type(blocks.pop(0)) for _ in range(count or len(blocks))]
        return "".join(shown)

    def _type(self, block):
        if block == "reboot\n":
            return self._reboot()
        assert "reboot" not in block, "nobody waits for it in there"
        if block.startswith("xl console "):
            return self._log_in(block.split()[2])
        return self.check(f"cd /root; export MIRROR={self.address}/0 DEBIAN_FRONTEND=noninteractive;"
                          f" {TYPED}; set -e\n{block}", 3000)

    def _reboot(self):
        """Through the firmware and GRUB; returns what the console says meanwhile."""
        console, agent = self.machine.console.position(), self.machine.agent.position()
        self.run("systemd-run --no-block systemctl reboot")
        self.machine.agent.wait(r"^=0 agent", BOOT_SECONDS, agent)
        return self.machine.console.text(console)

    def _log_in(self, name):
        """At a machine's console, on a terminal; left with Ctrl-]."""
        self._at_console(name, [("", "login:"), ("root", "Password:"), ("secret", "root@.*#")])
        return ""

    def _at_console(self, name, talk):
        """Type lines, each until its pattern shows; returns what the terminal showed.
        What is typed before xl listens is lost: it does when something came of a newline."""
        steps = ['seen=0; await() { n=0; until tail -c +$((seen + 1)) /tmp/console | grep -q "$1"; do sleep 0.3;'
                 ' n=$((n + 1)); [ $n -lt 900 ] || break; done; seen=$(size); }',
                 "size() { stat -c %s /tmp/console; }; first=$(size)",
                 "until [ $(size) -gt $first ]; do printf '\\r'; sleep 2; done"]
        steps += [f"printf '%s\\r' {shlex.quote(typed)}; await {shlex.quote(until)}" for typed, until in talk]
        script = "\n".join([*steps, "printf '\\035'; sleep 1"])
        self.check(f": >/tmp/console; (sleep 1; {script}) | timeout 600 script -qfec 'xl console {name}' /tmp/console"
                   " >/dev/null", 660)
        shown = self.check("cat /tmp/console")
        for _, until in talk:
            assert re.search(until, shown), shown
        return shown

    def inside(self, name, command):
        """What a command prints in a machine at whose console root is logged in."""
        shown = self._at_console(name, [("stty -echo; PS1=; echo rea''dy", "ready"),
                                        (f"echo '<'; {command}; echo 'en''d>'", "end>")])
        return re.search(r"<\r?\n(.*?)(?:\r?\n)?end>", shown, re.S)[1].replace("\r", "")


@pytest.fixture(scope="module")
def reader(gzipped_hypervisor, tmp_path_factory):
    """Debian with GRUB on a disk, an empty second disk, the package in /root."""
    directory = tmp_path_factory.mktemp("guide")
    source = host.Host()
    disk = source.copy(directory / "disk.img")
    volumes = directory / "volumes.img"
    with open(volumes, "wb") as empty:
        empty.truncate(6 << 30)
    package = deb.make(directory, gzipped_hypervisor)
    grub.run("mcopy", "-i", layout.efi_partition(disk), package, f"::/{package.name}")
    with mirror.serving() as port, \
         host.machine("guide", disk, volumes, source.without_grub()) as first:
        address = host.MIRROR.format(port=port)
        booted = Reader(first, address)
        booted.check("grub-install --target=i386-pc /dev/vda; update-grub; cp /boot/efi/*.deb /root/;"
                     f" printf %s {shlex.quote(mirror.sources(address))} >/etc/apt/sources.list", 300)
        booted.run("systemd-run --no-block systemctl poweroff")
        assert first.wait_exit(120) == 0
        with host.machine("guide", disk, volumes) as second:
            yield Reader(second, address)


def test_requirements(reader):
    reader.follow(2)
    reader.check("command -v xl debootstrap pvcreate brctl")


def test_install(reader):
    console = reader.follow(3, 4)
    assert "Loading Xen zelo" in console, console[-3000:]
    shown = reader.follow(3)
    assert re.search(r"^Domain-0 +0 +768 ", shown, re.M), shown
    assert re.search(r"^xen_version +: 4\.17", shown, re.M), shown
    assert "192.168.1." in reader.check("ip -4 address show dev xenbr0")


def test_volume_group(reader):
    reader.follow(4)
    assert reader.check("vgs --noheadings -o vg_name").split() == ["vg0"]


def test_model(reader):
    reader.follow(5)
    reader.check("e2fsck -fn /dev/vg0/model", 100)


def test_machines(reader):
    shown = reader.follow(6)
    assert {"model", "web", "db"} <= set(re.findall(r"^ +(\w+) +vg0", shown, re.M)), shown


def test_start(reader):
    """Both machines, one with a log-in at its console."""
    reader.follow(7)
    shown = reader.follow(8, 1)
    assert re.search(r"^web +1 +384 +1 ", shown, re.M) and re.search(r"^db +2 ", shown, re.M), shown
    reader.follow(8, 1)
    assert reader.inside("web", "hostname") == "web"


def test_each_its_own(reader):
    """Names, addresses, keys and identities differ, and they reach each other."""
    reader._log_in("db")
    own = {}
    for name in ("web", "db"):
        shown = reader.inside(name, "hostname; hostname -I; cat /etc/machine-id; ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key")
        own[name] = shown.split("\n")
        assert len(own[name]) == 4 and len(own[name][2]) == 32, shown
    assert [line.split()[0] for line in own["web"][:2]] == ["web", "192.168.1.11"]
    assert [line.split()[0] for line in own["db"][:2]] == ["db", "192.168.1.12"]
    assert own["web"][2] != own["db"][2] and own["web"][3] != own["db"][3]
    assert " 0% packet loss" in reader.inside("web", "ping -q -c 2 192.168.1.12")
    keys = reader.check("ssh-keyscan -t ed25519 192.168.1.11 192.168.1.12 2>/dev/null")
    assert len(set(re.findall(r"ssh-ed25519 (\S+)", keys))) == 2, keys


def _columns(reader, name):
    """(memory, vCPUs) as xl lists them."""
    row = next(line.split() for line in reader.check("xl list").splitlines() if line.startswith(f"{name} "))
    return int(row[2]), int(row[3])


def test_resize(reader):
    reader.follow(8, 1)
    reader.check("until [ $(xl list web | awk '{print $3}' | tail -n 1) = 384 ]; do sleep 0.5; done", 60)
    assert _columns(reader, "web") == (384, 2)
    assert reader.inside("web", "sleep 2; nproc") == "2"


def test_save_and_restore(reader):
    reader.inside("db", "touch /run/here")
    reader.follow(8, 1)
    assert reader.inside("db", "ls /run/here") == "/run/here"


def test_shutdown(reader):
    reader.follow(8, 1)
    assert reader.run("xl domid db").status != 0


def test_autostart(reader):
    """The host restarts; `web` is saved and goes on where it was."""
    reader.inside("web", "touch /run/here")
    assert "Loading Xen zelo" in reader.follow(8)
    reader.check("until xl domid web; do sleep 1; done", 120)
    assert reader.inside("web", "ls /run/here") == "/run/here"
    assert " 0% packet loss" in reader.inside("web", "ping -q -c 2 192.168.1.1")


def test_useful_commands(reader):
    shown = reader.follow(9, 1)
    assert "xvda" in shown or "51712" in shown, shown
    assert "web" in reader.check("cat /tmp/top")


def test_removal(reader):
    reader.follow(9, 1)
    assert reader.check("xl list | tail -n +3; lvs --noheadings -o lv_name vg0").split() == ["db", "model"]
    console = reader.follow(9)
    assert "Loading Xen" not in console, console[-3000:]
    assert reader.run("cat /sys/hypervisor/type").status != 0


def test_all_of_it(reader):
    """No command of the guide was left out."""
    assert sum(map(len, reader.blocks.values())) == 0 and reader.machine.process.poll() is None
