# SPDX-License-Identifier: MIT
"""A server on this machine that a guest of QEMU's user network reaches as
10.0.2.2: sends a known block to who asks, and receives one and tells its sum."""
import hashlib
import random
import socket
import threading

GATEWAY = "10.0.2.2"


class Server:
    """Serves `GET` (sends the block) and `PUT` (takes bytes until the sender
    closes its half; answers with their SHA-256). Use it in a `with`."""

    def __init__(self, size):
        self.block = random.Random(size).randbytes(size)
        self.sum = hashlib.sha256(self.block).hexdigest()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.received = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            verb = client.recv(4, socket.MSG_WAITALL)
            if verb == b"GET\n":
                client.sendall(self.block)
            elif verb == b"PUT ":
                size = int(self._line(client))
                total = hashlib.sha256()
                while size and (data := client.recv(min(size, 65536))):
                    total.update(data)
                    size -= len(data)
                self.received.append(total.hexdigest())
                client.sendall(f"{total.hexdigest()} {size}\n".encode())

    @staticmethod
    def _line(client):
        line = b""
        while not line.endswith(b"\n"):
            byte = client.recv(1)
            if not byte:
                break
            line += byte
        return line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
