#!/bin/sh
# SPDX-License-Identifier: MIT
# link.sh OUT OBJECTS HOST-ARCHIVE HV-ARCHIVE: links one unit test.  The first
# definition of a name wins, so that a test replaces what it likes; names that
# nobody defines become stubs which name themselves and stop the test.
set -e
out=$1 obj=$2 host=$3 hv=$4

link() {
    $CC $FLAGS -Wl,-z,muldefs -Wl,--warn-unresolved-symbols "$@" \
        -Wl,--start-group "$host" "$hv" -Wl,--end-group -lcmocka -lpthread
}

rm -f "$out.stubs.S" "$out.stubs.o"
# shellcheck disable=SC2086  # one word for each object
link -o "$out.tmp" $obj 2> "$out.link" || { cat "$out.link" >&2; exit 1; }
missing=$(sed -n "s/.*undefined reference to [\`']\([A-Za-z_0-9]*\)'.*/\1/p" "$out.link" | sort -u)
if [ -n "$missing" ]; then
    {
        echo '.text'
        for name in $missing; do
            printf '.globl %s\n%s: leaq 1f(%%rip), %%rdi\nandq $-16, %%rsp\ncall host_stub_called\n' "$name" "$name"
            printf '.section .rodata\n1: .asciz "%s"\n.text\n' "$name"
        done
        echo '.section .note.GNU-stack,"",@progbits'
    } > "$out.stubs.S"
    $CC -c -o "$out.stubs.o" "$out.stubs.S"
    link -o "$out.tmp" $obj "$out.stubs.o" 2>> "$out.link"
fi
mv "$out.tmp" "$out"
