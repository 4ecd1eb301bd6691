# SPDX-License-Identifier: MIT
"""Debian's archives for a machine in QEMU: what it asks for is fetched by this
machine's own apt, from wherever that has Debian from; packages are kept.
The first archive is /0/, the next /1/ and so on."""
import contextlib
import http.server
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading

from labkit import packages, paths


def _fetch(uri, path):
    """Have apt download a file. True if there is one."""
    return subprocess.run(["/usr/lib/apt/apt-helper", "-qq", "-o", "APT::Sandbox::User=root",
                           "download-file", uri, str(path)], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False).returncode == 0


def _archives():
    """Their addresses, each once, the main one first."""
    return list(dict.fromkeys(uri for uri, _ in packages.sources()))


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET of a file of an archive."""
    protocol_version = "HTTP/1.1"
    archives = []

    def do_GET(self):
        match = re.fullmatch(r"/(\d)/+((?!.*\.\.)[\w./%+~:=-]+)", self.path)
        if not match or int(match[1]) >= len(self.archives):
            self.send_error(404)
            return
        with tempfile.TemporaryDirectory(dir=paths.LAB) as scratch:
            path = self._get(match[1], match[2], pathlib.Path(scratch, "file"))
            if path:
                self._send(path)
            else:
                self.send_error(404)

    def _get(self, archive, name, scratch):
        """The file, or None. A package never changes under its name, so it is kept."""
        uri = self.archives[int(archive)] + name
        if not name.startswith("pool/"):
            return scratch if _fetch(uri, scratch) else None
        path = paths.LAB / "apt" / "mirror" / archive / name
        if not path.exists():
            if not _fetch(uri, scratch):
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.rename(path)
        return path

    def _send(self, path):
        with open(path, "rb") as source:
            size = source.seek(0, 2)
            source.seek(0)
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            shutil.copyfileobj(source, self.wfile)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving():
    """Its port on this machine's loopback, which QEMU's user network calls its host."""
    handler = type("Handler", (_Handler,), {"archives": _archives()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def sources(address):
    """sources.list of a machine that reaches the server at this address."""
    archives = _archives()
    return "".join(f"deb {address}/{archives.index(uri)}/ {suite} main\n"
                   for uri, suite in packages.sources())
