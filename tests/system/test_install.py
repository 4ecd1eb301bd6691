# SPDX-License-Identifier: MIT
"""The Debian package, the way a user has it: dpkg installs it on a disk with
Debian and GRUB, and the machine then starts the hypervisor by itself, on BIOS
and on UEFI (Secure Boot off), with the options of /etc/default/grub; without the
package it starts plain Linux again. Debian's own tools do all of it, inside."""
import contextlib
import re

import pytest

from labkit import deb, grub, installed
from labkit import disk as layout
from labkit.agent import Agent

pytestmark = [pytest.mark.one_cpu, pytest.mark.long]
BOOT_SECONDS = 240
MENU_SECONDS = 240      # Debian's scripts start hundreds of processes for it
# As in labkit/installed/default-grub; GRUB's script puts its stand-in first.
OPTIONS = "placeholder dom0_mem=512M,max:512M console=com1 com1=115200,8n1 loglvl=all"


class Booted:
    """A machine that has started from the disk: `run` and `check` commands in it."""

    def __init__(self, machine):
        self.machine = machine
        agent = Agent(machine.agent)
        agent.wait_ready(BOOT_SECONDS)
        self.run, self.check = agent.run, agent.check

    def power_off(self):
        """Down in order, the disk complete."""
        self.run("setsid sh -c 'sleep 0.5; poweroff' >/dev/null 2>&1 &")
        assert self.machine.wait_exit(60) == 0

    def reboot(self):
        """Through the firmware and GRUB; returns what the console says meanwhile."""
        console, agent = self.machine.console.position(), self.machine.agent.position()
        self.run("setsid sh -c 'sleep 0.5; reboot' >/dev/null 2>&1 &")
        self.machine.agent.wait(r"^=0 agent", BOOT_SECONDS, agent)
        return self.machine.console.text(console)


@contextlib.contextmanager
def _booted(*arguments, **settings):
    with installed.machine(*arguments, **settings) as machine:
        yield Booted(machine)


def _install_grub(booted):
    """As Debian's installer does, but for both kinds of firmware."""
    booted.check("grub-install --target=i386-pc /dev/vda", 120)
    booted.check("grub-install --target=x86_64-efi --removable --no-nvram", 120)
    booted.check("touch /boot/grub/grub.cfg")   # the package writes it anew


# The drop-in with these words in /etc/default/grub, as grub-mkconfig reads both.
DEFAULT = ("set -e; GRUB_DEVICE=/dev/vda3; . /usr/share/grub/grub-mkconfig_lib; . /etc/default/grub;"
           " {}; . /etc/default/grub.d/zelo.cfg; echo \"=$GRUB_DEFAULT=\"")


def _default(booted, words="true"):
    """What the drop-in makes the default entry."""
    return re.search(r"^=(.*)=$", booted.check(DEFAULT.format(words)), re.M)[1]


def _entry(menu, name):
    """The text of a menu's entry."""
    entry = re.search(rf"^\s*menuentry [^\n]*'{re.escape(name)}' \{{$.*?^\s*\}}$", menu, re.M | re.S)
    return entry[0] if entry else ""


def _check_choices(booted):
    """The package's drop-in names Zelo's entry, and leaves the administrator the last word."""
    menu = booted.check("cat /boot/grub/grub.cfg")
    default = _default(booted)
    assert f'set default="{default}"' in menu
    assert "/boot/xen-zelo.gz" in _entry(menu, default), default
    # Without submenus the default is what else lies in one.
    flat = _default(booted, "GRUB_DISABLE_SUBMENU=y")
    assert flat != default and "/boot/xen-zelo.gz" in _entry(menu, flat), flat
    assert _default(booted, "ZELO_GRUB_DEFAULT=no") == "0"


@pytest.fixture(scope="module")
def disk(gzipped_hypervisor, tmp_path_factory):
    """A disk onto which dpkg has installed the package, from Linux without a hypervisor."""
    directory = tmp_path_factory.mktemp("install")
    source = installed.Installed()
    path = source.copy(directory / "disk.img")
    package = deb.make(directory, gzipped_hypervisor)
    grub.run("mcopy", "-i", layout.efi_partition(path), package, "::/zelo.deb")
    with _booted("install", path, more=source.without_grub()) as booted:
        _install_grub(booted)
        said = booted.check("dpkg -i /boot/efi/zelo.deb", MENU_SECONDS + 60)
        assert "Zelo is the default entry" in said
        _check_choices(booted)
        booted.power_off()
    return path


def _check_zelo(booted, console, firmware):
    """The hypervisor came from GRUB's menu, untouched, and has its options."""
    assert re.search(r"Loading Xen zelo \.\.\.", console), console[-3000:]
    assert booted.check("cat /sys/hypervisor/type") == "xen\n"
    assert booted.run("test -d /sys/firmware/efi").status == (0 if firmware == "ovmf" else 1)
    line = re.search(r"^xen_commandline +: (.*)$", booted.check("xl info"), re.M)[1].split()
    assert line[:5] == OPTIONS.split()
    assert " root=UUID=" in booted.check("cat /proc/cmdline")
    assert re.search(r"^Domain-0 +0 +512 ", booted.check("xl list"), re.M)
    assert "unknown option" not in console


def test_bios(disk, tmp_path):
    with _booted("install-bios", layout.copy(disk, tmp_path / "disk.img")) as booted:
        _check_zelo(booted, booted.machine.console.text(), "bios")
        booted.power_off()


def test_uefi_and_removed(disk, tmp_path):
    """On UEFI; there the package goes, and what it had brought."""
    with _booted("install-uefi", layout.copy(disk, tmp_path / "disk.img"), "ovmf") as booted:
        _check_zelo(booted, booted.machine.console.text(), "ovmf")
        booted.check("dpkg -P zelo-hypervisor", MENU_SECONDS + 60)
        left = booted.check("ls /boot /etc/default/grub.d; grep -v '^#' /boot/grub/grub.cfg")
        assert "zelo" not in left
        console = booted.reboot()
        assert "Loading Linux" in console and "Loading Xen" not in console, console[-3000:]
        assert booted.run("cat /sys/hypervisor/type").status != 0
        assert "console=ttyS0" in booted.check("cat /proc/cmdline")
        booted.power_off()
