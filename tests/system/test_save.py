# SPDX-License-Identifier: MIT
"""Suspend to a file, restore, checkpoint and live migration, of a guest that
works all the while: memory, disk and TCP connections come over whole."""
import pytest

from workload import Work

pytestmark = pytest.mark.one_cpu
MACHINE = {"cpus": 1}

# What `xl migrate -s` runs in place of ssh: the receiving xl on this very host.
HERE = "#!/bin/sh\nshift\nexec \"$@\"\n"


@pytest.fixture(name="guest", scope="module")
def _guest(dom0):
    dom0.check(f"printf %s '{HERE}' >/tmp/here; chmod +x /tmp/here")
    with dom0.guest("mover", vcpus=2, memory=160) as guest:
        yield guest


def _domid(dom0, name):
    return int(dom0.check(f"xl domid {name}"))


def test_save_and_restore(dom0, guest):
    work = Work(guest)
    before = _domid(dom0, guest.name)
    dom0.check(f"xl save {guest.name} /tmp/saved", 120)
    assert guest.name not in dom0.names()
    dom0.check("xl restore /tmp/saved", 120)
    assert _domid(dom0, guest.name) > before
    guest.wait_up()
    work.verify(guest)


def test_checkpoint(dom0, guest):
    """`xl save -c`: the guest runs on; the file gives back the moment."""
    guest.check("touch /tmp/then; sync")
    dom0.check(f"xl save -c {guest.name} /tmp/saved", 120)
    guest.wait_up()
    assert guest.check("nproc") == "2\n"
    guest.check("rm /tmp/then; ping -q -c 1 10.17.0.1")
    guest.destroy()
    dom0.check("xl restore /tmp/saved", 120)
    guest.wait_up()
    guest.check("test -e /tmp/then && ping -q -c 1 10.17.0.1")
    assert guest.check("nproc") == "2\n"


def test_truncated_file(dom0, guest):
    """A save file that ends in the middle: an error, and nothing stays of it."""
    del guest
    names, pages = dom0.names(), dom0.free_pages()
    dom0.check("head -c 20M /tmp/saved >/tmp/cut; rm /tmp/saved")
    result = dom0.run("xl restore /tmp/cut; status=$?; rm /tmp/cut; exit $status", 120)
    assert result.status != 0, result.output
    assert dom0.names() == names
    dom0.wait_until(f"[ $(/lab/free_pages) -ge {pages} ]", 30)
    assert dom0.free_pages() == pages


@pytest.mark.long
def test_live_migration(dom0, guest, capsys):
    """`xl migrate` to the same host, live: what the guest writes meanwhile comes over too."""
    work = Work(guest)
    before = _domid(dom0, guest.name)
    output = dom0.check(f"xl migrate -s /tmp/here {guest.name} localhost 2>&1", 240)
    assert "Migration successful" in output, output
    assert _domid(dom0, guest.name) > before
    assert dom0.names() == [guest.name]
    guest.wait_up()
    work.verify(guest)
    work.tell(capsys, "the same host")
    guest.shutdown()
    dom0.check(f"e2fsck -fn {guest.volume}")
