#!/bin/sh
# SPDX-License-Identifier: MIT
# mutants.sh DIR TABLE: for each line of the table, plants its bug in a copy of the hypervisor and sees whether the
# proof named there fails by a claim.
set -u
dir=$1 table=$2 passed=0 failed=0

one() # PROOF FILE EXPRESSION
{
    rm -rf "$dir"
    mkdir -p "$dir"
    cp -r hypervisor "$dir/"
    sed -i "$3" "$dir/hypervisor/$2"
    cmp -s "hypervisor/$2" "$dir/hypervisor/$2" && { echo "no such line in $2: $3"; return 1; }
    ${MAKE:-make} -s --no-print-directory P="$dir" PROOF_SOURCE="$dir/hypervisor" "$dir/$1.result" < /dev/null > "$dir/said" 2>&1
    grep -q "^failed $1: \[" "$dir/said" || { cat "$dir/said"; return 1; }
}

while IFS='|' read -r proof file rest; do
    case $proof in '#'*|'') continue ;; esac
    bug=${rest##*| }
    expression=${rest%"| $bug"}
    if one "$(echo "$proof" | tr -d ' ')" "$(echo "$file" | tr -d ' ')" "$(echo "$expression" | sed 's/^ //; s/ *$//')"; then
        passed=$((passed + 1))
        echo "found by $proof:$bug"
    else
        failed=$((failed + 1))
        echo "NOT FOUND by $proof: $bug"
    fi
done < "$table"
echo "proof-mutants: $passed passed, $failed failed, 0 skipped"
test "$failed" -eq 0
