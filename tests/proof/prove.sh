#!/bin/sh
# SPDX-License-Identifier: MIT
# prove.sh CBMC_BIN NAME OUT SOURCE FILE CPPFLAGS OPTIONS: compiles FILE, with the hypervisor's tree SOURCE, and has
# cbmc prove it.  Says 'passed NAME', 'failed NAME: why', or 'skipped NAME: why'.  Passed: every claim holds but the one at its end, that it
# is not reached.  OUT.log has all that cbmc said.
set -u
bin=$1 name=$2 out=$3 source=$4 file=$5 cppflags=$6 options=$7

failed()
{
    echo "failed $name: $1"
    exit 0
}

command -v "${bin}cbmc" > /dev/null || { echo "skipped $name: there is no cbmc; python3 -m labkit.cbmc gets it"; exit 0; }
# shellcheck disable=SC2086
"${bin}goto-cc" -std=gnu11 $cppflags -I"$source/include" -I"$source/x86/include" -I"$source" -o "$out.goto" "$file" \
    > "$out.log" 2>&1 || { cat "$out.log"; failed "it does not compile"; }
# shellcheck disable=SC2086
"${bin}cbmc" $options "$out.goto" >> "$out.log" 2>&1
grep -q '^VERIFICATION' "$out.log" || { tail -n 5 "$out.log"; failed "cbmc gave no answer"; }
wrong=$(grep ': FAILURE$' "$out.log" | grep -v ' reached: FAILURE$')
[ -z "$wrong" ] || failed "$(printf '%s\n' "$wrong" | head -n 3)"
grep -q ' reached: FAILURE$' "$out.log" || failed "its end is never reached: it claims nothing"
echo "passed $name"
