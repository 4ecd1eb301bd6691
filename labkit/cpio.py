# SPDX-License-Identifier: MIT
"""Writes the "newc" archive that Linux takes as an initramfs.

Written here and not by cpio(1) so that everything in it belongs to root and
device nodes can be made without being root on the host."""
import os
import stat


class Writer:
    """One archive, written as it is fed. Close it, or use it in a `with`."""

    def __init__(self, path):
        self._file = open(path, "wb")
        self._inode = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._inode += 1
        encoded = name.lstrip("/").encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self._file.write(head + b"\0" * (-len(head) % 4))
        self._file.write(data + b"\0" * (-len(data) % 4))

    def directory(self, name, mode=0o755):
        self._entry(name, stat.S_IFDIR | mode)

    def file(self, name, data, mode=0o644):
        self._entry(name, stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def node(self, name, major, minor, mode=0o600):
        """A character device."""
        self._entry(name, stat.S_IFCHR | mode, device=(major, minor))

    def tree(self, top):
        """Everything below `top`, in an order that is the same each time."""
        for directory, names, files in os.walk(top):
            names.sort()
            for name in sorted(names + files):
                path = os.path.join(directory, name)
                self._path(path, os.path.relpath(path, top))

    def _path(self, path, name):
        info = os.lstat(path)
        if stat.S_ISLNK(info.st_mode):
            self.symlink(name, os.readlink(path))
        elif stat.S_ISDIR(info.st_mode):
            self.directory(name, stat.S_IMODE(info.st_mode))
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as source:
                self.file(name, source.read(), stat.S_IMODE(info.st_mode))

    def close(self):
        if not self._file.closed:
            self._entry("TRAILER!!!", 0)
            self._file.write(b"\0" * (-self._file.tell() % 512))
            self._file.close()
