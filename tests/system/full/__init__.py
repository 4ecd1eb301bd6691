# SPDX-License-Identifier: MIT
"""Tests on domain 0 as people have it (labkit/full.py). One machine for all of them."""
