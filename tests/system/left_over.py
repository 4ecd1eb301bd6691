# SPDX-License-Identifier: MIT
"""What a domain might leave behind in domain 0 and in the hypervisor. Whoever
counts has had one such domain before: what the first makes Linux and the
hypervisor allocate for good is not counted."""
SECONDS = 30
LIST = """xl list | awk '{print $1}'
xenstore-list /local/domain
xenstore-list /libxl
xenstore-ls /local/domain/0/backend | grep -c frontend-id
losetup -a
ls /sys/class/net /sys/bus/xen-backend/devices
pgrep -f xen-qemu
/usr/lib/xen-4.17/bin/lsevtchn 0 | wc -l
/lab/free_pages"""


class Left:
    """Remembers what there is; `check` fails unless it is the same again."""

    def __init__(self, dom0):
        self.dom0 = dom0
        self.before = self._now()

    def _now(self):
        """Domains, xenstore, loop devices, interfaces, back ends, QEMUs, event channels, pages."""
        return self.dom0.check("\n".join(f"echo; echo {line.split()[0]}:; {line} 2>/dev/null"
                                         for line in LIST.splitlines()) + "; true")

    def check(self):
        """The same again, soon."""
        for _ in range(SECONDS):
            now = self._now()
            if now == self.before:
                break
            self.dom0.check("sleep 1")
        assert now == self.before
