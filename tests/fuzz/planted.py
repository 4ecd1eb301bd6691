#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Does the fuzzer find bugs?  Plants three that are known, one at a time, in a
copy of the file they belong in, and lets the fuzzer go on from the corpus until
it finds each: planted.py [NAME ...] says how many seconds that took, and fails
when one is not found within ten minutes."""
import pathlib
import resource
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from labkit import fuzz  # noqa: E402  pylint: disable=wrong-import-position

LIMIT = 600

# Name: the file, what is there, what takes its place.
BUGS = {
    # A writable mapping of another domain's frame takes no use of it as writable: it may be a page table.
    "missing-type-check": (
        "pv/pt_entry.c",
        "    if (!(e & PTE_RW))\n        return 0;\n    rc = page_get_type(p, PGT_WRITABLE);",
        "    if (!(e & PTE_RW) || c->frame_owner != c->table_owner)\n        return 0;\n"
        "    rc = page_get_type(p, PGT_WRITABLE);"),
    # A frame that a domain gives up for the second time loses a reference that somebody else has.
    "double-put": (
        "core/memory_reservation.c",
        "    ok = !domain_release_page(d, p);\n    page_put(p);",
        "    ok = !domain_release_page(d, p);\n    page_put(p);\n    if (!ok)\n        page_put(p);"),
    # The operation is read again after its number was checked.
    "time-of-check-to-time-of-use": (
        "pv/mmuext.c",
        "    return fn ? fn(x) : -ENOSYS;",
        "    if (!fn)\n        return -ENOSYS;\n    if (copy_from_guest(&x->op, at))\n        return -EFAULT;\n"
        "    return ext_table[x->op.cmd](x);"),
}


def plant(name, out):
    """Compiles the fuzzer with the bug."""
    path, old, new = BUGS[name]
    source = (ROOT / "hypervisor" / path).read_text(encoding="ascii")
    if source.count(old) != 1:
        sys.exit(f"planted: {name}: {path} has changed, and its bug here with it")
    (out / "planted.c").write_text(source.replace(old, new), encoding="ascii")
    subprocess.run(["make", "-C", str(ROOT), f"OUT={out}", f"PLANTED={path}", str(out / "zelo-fuzz")], check=True)


def find(name):
    """Seconds until the bug was found, or None."""
    out = fuzz.BUILD / "planted" / name
    shutil.rmtree(out, ignore_errors=True)
    (out / "found").mkdir(parents=True)
    plant(name, out)
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    worker = fuzz.Worker(0, LIMIT, out / "zelo-fuzz", out / "found", out)
    try:
        worker.process.wait(LIMIT + fuzz.GRACE)
    finally:
        worker.stop()
    seconds, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    count = worker.figures()[0]
    spent = f"{seconds:.1f} s ({after.ru_utime - before.ru_utime:.2f} s of a CPU), " + (
        f"{count} executions" if count else "by an input that it began with")
    if not worker.reproducer():
        print(f"planted: {name}: not found in {spent}", flush=True)
        return None
    print(f"planted: {name}: found after {spent}", flush=True)
    for line in worker.why()[:3]:
        print(f"    {line}")
    if subprocess.run([str(fuzz.PROGRAM), worker.reproducer()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL, check=False).returncode:
        print(f"planted: {name}: {worker.reproducer()} fails without the planted bug too: that is another one")
        return None
    return seconds


def main(names):
    """All, or those named."""
    unknown = set(names) - set(BUGS)
    if unknown:
        sys.exit(f"planted: there is no {' '.join(unknown)}, but {' '.join(BUGS)}")
    fuzz.build()
    found = [find(name) for name in names or BUGS]
    missed = found.count(None)
    print(f"planted: {len(found) - missed} of {len(found)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
