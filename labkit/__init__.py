# SPDX-License-Identifier: MIT
"""The lab: builds, boots and tests the hypervisor under QEMU. `./lab` runs it."""
