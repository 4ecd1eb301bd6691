# SPDX-License-Identifier: MIT
"""What a domain might leave behind in domain 0 and in the hypervisor."""
SECONDS = 30


class Left:
    """Remembers what there is; `check` fails unless it is the same again."""

    def __init__(self, dom0):
        self.dom0 = dom0
        self.before = self._now()

    def _now(self):
        """All that can be listed and has to be the same."""
        check = self.dom0.check
        ports = check("/usr/lib/xen-4.17/bin/lsevtchn 0")
        return {
            "domains": self.dom0.names(),
            "xenstore": check("xenstore-list /local/domain; xenstore-list /libxl;"
                              " xenstore-ls /local/domain/0/backend | grep -c frontend-id; true"),
            "loop devices": check("losetup -a"),
            "interfaces": check("ls /sys/class/net"),
            "QEMUs": check("pgrep -f xen-qemu || true"),
            "free pages": self.dom0.free_pages(),
            "event channels": len(ports.splitlines()),
            "grants": check("ls /sys/bus/xen-backend/devices"),
        }

    def check(self):
        """The same again, soon."""
        for _ in range(SECONDS):
            now = self._now()
            if now == self.before:
                break
            self.dom0.check("sleep 1")
        assert now == self.before
