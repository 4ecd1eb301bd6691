# SPDX-License-Identifier: MIT
"""Runs the unit tests' programs side by side, shows what failed, and sums up."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

TIMEOUT = 300     # a program may run beside machines that leave it little time


def run(program):
    """(passed, failed, skipped, output) of one cmocka program; a crash counts as one failure."""
    if not os.path.exists(program):
        return 0, 1, 0, "not built\n"
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    try:
        result = subprocess.run([program], env=environment, stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        output, status = result.stdout.decode(errors="replace"), result.returncode
    except subprocess.TimeoutExpired as late:
        output, status = (late.stdout or b"").decode(errors="replace") + f"timed out after {TIMEOUT} s\n", 1
    skipped = len(re.findall(r"^ok \d+.*# SKIP", output, re.M))
    passed = len(re.findall(r"^ok \d+", output, re.M)) - skipped
    failed = len(re.findall(r"^not ok \d+", output, re.M))
    if status and not failed:
        failed = 1
        output += f"ended with status {status}\n"
    if not status and not passed + failed + skipped:
        failed = 1
        output += "ran no test\n"
    return passed, failed, skipped, output


def broken_files(folder):
    """Sources that did not compile for the host, with the first error of each."""
    files = sorted(pathlib.Path(folder).glob("*")) if os.path.isdir(folder) else []
    for file in files:
        errors = [line for line in file.read_text(errors="replace").splitlines() if "error" in line]
        yield file.name, errors[0] if errors else "does not compile"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", action="store_true", dest="verbose")
    parser.add_argument("--broken")
    parser.add_argument("--label", default="unit")
    parser.add_argument("programs", nargs="*")
    arguments = parser.parse_args()
    total = [0, 0, 0]
    for _, error in broken_files(arguments.broken):
        print(f"not compiled: {error}")
        total[1] += 1
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for program, result in zip(arguments.programs, pool.map(run, arguments.programs)):
            for i in range(3):
                total[i] += result[i]
            if result[1] or arguments.verbose:
                print(f"--- {os.path.basename(program)}\n{result[3]}", end="")
    print(f"{arguments.label}: {total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
