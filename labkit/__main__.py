# SPDX-License-Identifier: MIT
"""Entry point of `python3 -m labkit`."""
import sys

from labkit.cli import main

sys.exit(main(sys.argv[1:]))
