# SPDX-License-Identifier: MIT
"""`./lab bench`: the cost ledger. bench/README.md."""
