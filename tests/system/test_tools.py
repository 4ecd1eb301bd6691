# SPDX-License-Identifier: MIT
"""Debian's `xl` says and does what it should, with one guest running."""
import re

import pytest


def _console(dom0, command, until, typed=""):
    """Run a command that joins a guest's console on a terminal, type, wait for a
    pattern there and leave with Ctrl-]: (its status, what the terminal showed)."""
    result = dom0.run(
        f"rm -f /tmp/console; (sleep 1; echo '{typed}'; n=0;"
        f" until grep -q '{until}' /tmp/console || [ $n = 400 ]; do sleep 0.2; n=$((n + 1)); done;"
        f" printf '\\035') | timeout 100 script -qfec '{command}' /tmp/console >/dev/null", 120)
    return result.status, dom0.check("cat /tmp/console")


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    """Made with `xl create -c`, whose console tells when the guest is up."""
    guest = dom0.guest("tool")
    try:
        guest.created = _console(dom0, f"xl create -c {guest.prepare()}", "=0 agent")
        yield guest.wait_up()
    finally:
        guest.destroy()


def test_create_with_console(guest):
    """`xl create -c` shows the guest's console from its first words; Ctrl-]
    ends xl, and the guest runs on (the other tests use it)."""
    status, text = guest.created
    assert status == 0, text
    assert "Parsing config" in text, text
    assert re.search(r"=lab: guest up.*^=0 agent", text, re.S | re.M), text


def test_info(dom0):
    info = dict(re.findall(r"^(\w+)\s+: (.*)$", dom0.check("xl info"), re.M))
    assert info["xen_version"].startswith("4.17")
    assert "xen-3.0-x86_64" in info["xen_caps"]
    assert info["nr_cpus"] == "2"
    assert 0 < int(info["free_memory"]) < int(info["total_memory"]) <= 2048
    assert "console=com1" in info["xen_commandline"]


def test_list(dom0, guest):
    row = next(line.split() for line in dom0.check("xl list").splitlines()
               if line.startswith(guest.name))
    assert row[2:4] == ["192", "1"]
    assert re.fullmatch(r"[rb-]-----|[r-][b-]----", row[4])
    assert float(row[5]) > 0
    assert '"name": "tool"' in dom0.check(f"xl list -l {guest.name}")


def test_dmesg(dom0):
    """The hypervisor's own log, kept in its ring."""
    text = dom0.check("xl dmesg")
    assert "Command line" in text or "command line" in text
    assert len(text.splitlines()) > 10


def test_names_and_numbers(dom0, guest):
    number = dom0.check(f"xl domid {guest.name}").strip()
    assert number.isdigit() and number != "0"
    assert dom0.check(f"xl domname {number}").strip() == guest.name


def test_vcpu_list(dom0, guest):
    rows = [line.split() for line in dom0.check("xl vcpu-list").splitlines()[1:]]
    assert [row[2] for row in rows if row[0] == "Domain-0"] == ["0", "1"]
    own = [row for row in rows if row[0] == guest.name]
    assert own[0][6:9] == ["all", "/", "all"]       # the last columns: hard / soft affinity
    assert len(own) == 1 and float(own[0][5]) > 0


def test_uptime(dom0, guest):
    assert re.search(rf"{guest.name}\s+\d+\s+\d+:\d\d:\d\d", dom0.check("xl uptime"))


def test_top(dom0, guest):
    """What `xl top` runs, in its batch mode: two rounds, the second with a rate."""
    text = dom0.check("xentop -b -i 2 -d 1")
    rows = [line for line in text.splitlines() if line.split()[:1] == [guest.name]]
    assert len(rows) == 2, text
    assert len(re.findall(r"^\s*Domain-0", text, re.M)) == 2


def test_pause(dom0, guest):
    """A paused guest takes no time; unpaused it goes on where it was."""
    def cpu_time():
        rows = dom0.check("xl list").splitlines()
        return float(next(row.split()[5] for row in rows if row.startswith(guest.name)))

    guest.check("(while :; do :; done) >/dev/null 2>&1 & echo $! >/tmp/busy")
    dom0.check(f"xl pause {guest.name}")
    assert dom0.state(guest.name)[2] == "p"
    before = cpu_time()
    dom0.check("sleep 2")
    assert cpu_time() == before
    dom0.check(f"xl unpause {guest.name}")
    guest.check("kill $(cat /tmp/busy)")
    assert dom0.state(guest.name)[2] == "-"


def test_console(dom0, guest):
    """`xl console` joins the guest's console: it shows the agent's answer, and Ctrl-] leaves it."""
    status, text = _console(dom0, f"xl console {guest.name}", "^=9001 end",
                            "RUN 9001 5 dW5hbWUgLW4=")      # uname -n
    assert status == 0, text
    assert "=9001 . dG9vbAo=" in text, text      # tool


def test_reboot(dom0, guest):
    """`xl reboot`: the same name, a new domain, up again."""
    before = dom0.check(f"xl domid {guest.name}")
    guest.check("touch /run/before")
    dom0.check(f"xl reboot {guest.name}")
    dom0.wait_until(f"[ \"$(xl domid {guest.name} 2>/dev/null)\" -gt {before.strip()} ]", 90)
    guest.wait_up()
    guest.check("test ! -e /run/before")


def test_shutdown(dom0, guest):
    """The last: `xl shutdown` ends the guest in order."""
    guest.shutdown()
    assert guest.name not in dom0.names()
    dom0.check(f"e2fsck -fn {guest.volume}")
