# SPDX-License-Identifier: MIT
"""A guest that works while it is saved, restored or moved, and the proof that
nothing of its work was lost."""
from dom0 import listening

MEGABYTES = 16
PIECES = 100


class Work:
    """In the guest: data in memory, a process that writes to memory and disk,
    and a TCP connection that carries a stream from domain 0 (10.17.0.1)."""

    def __init__(self, guest):
        self.guest = guest
        self.downtime = None    # after verify(): the longest the guest stood still, in seconds
        self.dom0 = guest.dom0
        self.dom0.check("rm -f /tmp/sent /tmp/fifo; mkfifo /tmp/fifo;"
                        f" (for i in $(seq {PIECES}); do head -c 100k /dev/urandom; sleep 0.1; done"
                        " | tee /tmp/stream >/tmp/fifo; touch /tmp/sent) >/dev/null 2>&1 &")
        self.dom0.check(listening(7301, "</tmp/fifo >/dev/null"))
        guest.check("rm -f /tmp/got; (cat </dev/tcp/10.17.0.1/7301 >/tmp/stream;"
                    " sha256sum </tmp/stream >/tmp/got) >/dev/null 2>&1 &")
        self.memory = guest.check(f"head -c {MEGABYTES}M /dev/urandom >/tmp/data; sha256sum </tmp/data")
        guest.check("rm -f /tmp/ticks; (while :; do n=$((n + 1)); echo $n >/root/new; mv /root/new /root/count;"
                    " date +%s%N >>/tmp/ticks; sleep 0.1; done)"
                    " >/dev/null 2>&1 & echo $! >/tmp/pid; until [ -e /root/count ]; do sleep 0.1; done")

    def verify(self, guest):
        """Nothing is lost, and everything goes on. `guest` is where it is now."""
        assert guest.check("sha256sum </tmp/data") == self.memory
        guest.check("kill -0 $(cat /tmp/pid); a=$(cat /root/count);"
                    " until [ \"$(cat /root/count)\" -gt \"$a\" ]; do sleep 0.1; done")
        self.dom0.wait_until("[ -e /tmp/sent ]", 60)
        guest.check("until [ -s /tmp/got ]; do sleep 0.1; done", 60)
        assert guest.check("cat /tmp/got") == self.dom0.check("sha256sum </tmp/stream")
        ticks = [int(line) for line in guest.check("cat /tmp/ticks").split()]
        self.downtime = max(after - before for before, after in zip(ticks, ticks[1:])) / 1e9
        guest.check("kill $(cat /tmp/pid); rm /tmp/stream /tmp/data; ping -q -c 1 10.17.0.1;"
                    " head -c 4M /dev/urandom >/root/data; sync")

    def tell(self, capsys, where):
        """After verify(): how long the move took from the guest, for whoever watches the tests."""
        with capsys.disabled():
            print(f"\nlive migration to {where}: the guest stood still for {self.downtime:.2f} s")
