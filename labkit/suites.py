# SPDX-License-Identifier: MIT
"""Packages of other Debian suites than this machine's, from wherever it has
Debian from, beside its own apt."""
import re
import subprocess

from labkit import packages, paths
from labkit.ui import LabError, step


class Suite:
    """A suite: `name` may say {release} for this machine's own. apt's part of it
    lies in the directory `where` of the lab."""

    def __init__(self, name, where):
        self.name = name
        self.cache = paths.LAB / "apt" / where
        for each in ("lists/partial", "archives/partial"):
            (self.cache / each).mkdir(parents=True, exist_ok=True)
        (self.cache / "sources.list").write_text(self._source(), encoding="ascii")

    def _source(self):
        """The line for sources.list, made of the machine's own."""
        for uri, release in packages.sources():
            if re.fullmatch(r"[a-z]+", release):
                return packages.source_line(uri, self.name.format(release=release))
        raise LabError(f"this machine has no Debian source to take {self.name} from")

    def _apt(self, tool, *arguments):
        command = [tool, "-q", "-o", f"Dir::Etc::sourcelist={self.cache}/sources.list", "-o",
                   "Dir::Etc::sourceparts=-", "-o", f"Dir::State::lists={self.cache}/lists",
                   "-o", f"Dir::Cache={self.cache}", "-o", "APT::Sandbox::User=root", *arguments]
        result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.cache,
                                stdin=subprocess.DEVNULL)
        if result.returncode:
            raise LabError(f"{tool} {' '.join(arguments)} failed, in Debian's {self.name}:\n{result.stderr}")
        return result.stdout

    def update(self):
        """Read the suite's lists anew."""
        self._apt("apt-get", "update")

    def show(self, name):
        """What the suite says of a package."""
        return self._apt("apt-cache", "show", name)

    def forget(self, start):
        """Downloads anew next time what begins so."""
        for old in self.cache.glob(f"{start}*.deb"):
            old.unlink()

    def fetch(self, names):
        """The .deb files of these packages, downloaded if need be."""
        if not all(list(self.cache.glob(f"{name}_*.deb")) for name in names):
            step(f"downloading {' '.join(names)}")
            self._apt("apt-get", "download", *names)
        return [max(self.cache.glob(f"{name}_*.deb")) for name in names]
