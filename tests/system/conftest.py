# SPDX-License-Identifier: MIT
"""Options, the closing report, and the fixtures every system test shares."""
import gzip
import json
import os
import pathlib

import pytest

from labkit import lab, paths

COUNTS = {"passed": 0, "failed": 0, "skipped": 0}


def pytest_addoption(parser):
    parser.addoption("--hypervisor", required=True, help="the multiboot file to test")


def pytest_configure(config):
    config.addinivalue_line("markers", "one_cpu: its machines have one CPU, so that two such modules may run at once")
    config.addinivalue_line("markers", "long: left to `./lab test --long`")


def pytest_runtest_logreport(report):
    # A test counts once: by its call, or by the fixture that kept it from one.
    if report.when == "call" or (report.outcome != "passed"):
        COUNTS[report.outcome] += 1


def pytest_collectreport(report):
    if report.failed:
        COUNTS["failed"] += 1


def pytest_sessionfinish(session):
    path = os.environ.get("LAB_REPORT")
    if path and not hasattr(session.config, "workerinput"):     # pytest-xdist's workers report to the one that counts
        counts = [COUNTS[name] for name in ("passed", "failed", "skipped")]
        pathlib.Path(path).write_text(json.dumps(counts), encoding="ascii")


@pytest.fixture(scope="session")
def hypervisor(request):
    """The file under test."""
    return pathlib.Path(request.config.getoption("--hypervisor"))


@pytest.fixture(scope="session")
def gzipped_hypervisor(hypervisor, tmp_path_factory):
    """What `make` leaves for our own; for another the same, made here."""
    if hypervisor.resolve() == paths.ZELO:
        return paths.ZELO_GZ
    target = tmp_path_factory.mktemp("hypervisor") / "hypervisor.gz"
    target.write_bytes(gzip.compress(hypervisor.read_bytes()))
    return target


@pytest.fixture(scope="session")
def programs(tmp_path_factory):
    """The small programs tests put into domains: name -> path of what was built."""
    from build_programs import build_all
    return build_all(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="module")
def dom0(request, hypervisor, programs):
    """Domain 0 of a module's machine, up, with the tools and guests' disks.
    A module changes the machine with a dict named MACHINE."""
    from dom0 import Dom0
    settings = dict(getattr(request.module, "MACHINE", {}))
    config = lab.Config(hypervisor=hypervisor, name=request.module.__name__, **settings)
    with Dom0.with_guests(config, programs) as booted:
        yield booted
