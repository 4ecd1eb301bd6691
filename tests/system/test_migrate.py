# SPDX-License-Identifier: MIT
"""Live migration between two hosts: two machines with a private link between
them and one disk in common."""
import contextlib

import pytest

from dom0 import Dom0
from labkit import lab
from labkit import run as runner
from workload import Work

pytestmark = pytest.mark.long
PORT = 8002
# What `xl migrate -s` runs in place of ssh, with the host's name first.
THERE = f"""#!/bin/bash
exec 3<>/dev/tcp/$1/{PORT} || exit 1
cat <&3 &
cat >&3
exec 3>&-
wait
"""
# busybox's nc makes the connection its program's standard error too, where xl's messages would disturb the stream.
RECEIVE = "#!/bin/sh\nexec xl migrate-receive 2>/tmp/receive.log\n"


def _host(hypervisor, programs, name, disk, link, address):
    """A machine whose bridge reaches the other one's."""
    config = lab.Config(hypervisor=hypervisor, name=f"migrate-{name}", cpus=1, memory=1536, qemu=[
        "-netdev", link, "-device", "virtio-net-pci,netdev=link,mac=52:54:00:17:00:0" + address[-1]])
    stack = contextlib.ExitStack()
    dom0 = stack.enter_context(Dom0.with_guests(config, programs, disk))
    dom0.check("ip link set eth1 up; ip link set eth1 master xenbr0; "
               f"ip address flush dev xenbr0; ip address add {address}/24 dev xenbr0;"
               f" printf %s '{THERE}' >/tmp/there; printf %s '{RECEIVE}' >/tmp/receive;"
               " chmod +x /tmp/there /tmp/receive")
    return stack, dom0


@pytest.fixture(name="hosts", scope="module")
def _hosts(hypervisor, programs, tmp_path_factory):
    """(here, there)"""
    scratch = tmp_path_factory.mktemp("migrate")
    disk = runner.lab_disk(scratch / "disk.img")
    link = f"stream,id=link,addr.type=unix,addr.path={scratch}/link,server="
    with contextlib.ExitStack() as both:
        hosts = []
        for name, side, address in (("a", "on", "10.17.0.1"), ("b", "off", "10.17.0.8")):
            stack, dom0 = _host(hypervisor, programs, name, disk, link + side, address)
            both.enter_context(stack)
            hosts.append(dom0)
        hosts[1].check("ping -q -c 3 10.17.0.1")
        yield hosts


def _receive(dom0):
    dom0.check(f"(nc -l -p {PORT} -e /tmp/receive) >/dev/null 2>&1 &"
               f" until grep -q ':{PORT:04X} .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done")


def test_live_migration(hosts, capsys):
    """A guest at work goes to the other host. Its memory, its disk and its open
    connection to the first host are all there, and the first host forgets it."""
    here, there = hosts
    guest = here.guest("mover", memory=128)
    with guest:
        there.check("vgchange -qq -ay lab")
        work = Work(guest)
        _receive(there)
        before = here.free_pages()
        output = here.check("xl -v migrate -s /tmp/there mover 10.17.0.8 2>&1", 240)
        assert "Migration successful" in output, output
        assert here.names() == []
        assert there.names() == ["mover"]
        here.wait_until(f"[ $(/lab/free_pages) -ge $(({before} + 128 * 256)) ]", 30)
    moved = there.guest("mover", memory=128)
    moved.wait_up()
    work.verify(moved)
    work.tell(capsys, "another host")
    moved.shutdown()
    there.check("e2fsck -fn /dev/lab/mover")


def test_broken_half_way(hosts):
    """The link is cut while memory is sent: the guest runs on where it was, and
    nothing of it stays on the other host."""
    here, there = hosts
    pages = there.free_pages()
    with here.guest("stays", memory=128) as guest:
        there.check("vgchange -qq -ay lab")
        guest.check("touch /run/here")
        _receive(there)
        here.check("(xl migrate -s /tmp/there stays 10.17.0.8 >/tmp/out 2>&1; echo $? >/tmp/rc) >/dev/null 2>&1 &")
        there.wait_until("[ $(xl list | awk '/stays/ {print $3}') -ge 16 ]", 120)   # megabytes are there
        here.check("pkill -f /tmp/there; pkill -x cat")     # all that holds the connection
        here.wait_until("[ -e /tmp/rc ]", 120)
        assert here.check("cat /tmp/rc").strip() != "0", here.check("cat /tmp/out")
        there.wait_until("! xl list | grep -q stays", 60)
        assert here.names() == ["stays"]
        guest.check("test -e /run/here && ping -q -c 1 10.17.0.1")
    there.wait_until(f"[ $(/lab/free_pages) -ge {pages} ]", 30)
    assert there.free_pages() == pages
