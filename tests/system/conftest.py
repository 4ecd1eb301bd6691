# SPDX-License-Identifier: MIT
"""Options, the closing report, and the fixtures every system test shares."""
import contextlib
import gzip
import json
import os
import pathlib

import pytest

from labkit import lab, paths
from labkit.ui import LabError

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
def debug_hypervisor(hypervisor):
    """The same with its checks built in: `make DEBUG=1`."""
    if hypervisor.resolve() != paths.ZELO:
        pytest.skip("another hypervisor, without a debug build to make")
    return lab.build_debug()


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


def _settings(module):
    """What a module asks of its machine, with a dict named MACHINE."""
    return dict(getattr(module, "MACHINE", {}))


def pytest_collection_modifyitems(items):
    """Modules with the same machine follow each other, so that they share it; after them those with others."""
    items.sort(key=lambda item: (1, "") if "dom0" not in item.fixturenames
               else (0, repr(sorted(_settings(item.module).items()))))


class Kept:
    """The machine of the modules before, for the next one that asks for the same."""

    def __init__(self):
        self._machine = contextlib.ExitStack()
        self._settings = None
        self._dom0 = None

    def get(self, settings, boot):
        """Domain 0 of a machine with these settings. `boot`: makes it, as a context."""
        if settings != self._settings or not self._as_new():
            self.close()
            self._dom0 = self._machine.enter_context(boot())
            self._settings = settings
        return self._dom0

    def _as_new(self):
        """Nothing of the module before is in the way of the next."""
        try:
            return not self._dom0.names()
        except LabError:
            return False

    def close(self):
        """End the machine."""
        self._settings = None
        self._machine.close()


@pytest.fixture(scope="session")
def kept():
    """The only Kept of this process."""
    machine = Kept()
    yield machine
    machine.close()


@pytest.fixture(scope="module", autouse=True)
def _quiet(request, kept):
    """A module with machines of its own finds no other one at work."""
    if "dom0" not in request.fixturenames:
        kept.close()


@pytest.fixture(scope="module")
def dom0(request, hypervisor, programs, kept):
    """Domain 0 of a module's machine, up, with the tools and guests' disks."""
    from dom0 import Dom0
    settings = _settings(request.module)

    def boot():
        config = lab.Config(hypervisor=hypervisor, name=request.module.__name__, **settings)
        return Dom0.with_guests(config, programs)

    return kept.get(settings, boot)
