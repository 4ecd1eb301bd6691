/* SPDX-License-Identifier: MIT */
/* fail_allocation N: the N-th allocation of domain 0's hypercalls fails, on a debug build; 0: none.
 * Prints how many there were since it was last asked.  Built static, for domain 0. */
#include "privcmd.h"

#include "../../../hypervisor/include/zelo/debug_op.h"

int main(int argc, char **argv)
{
    unsigned long n = argc == 2 ? strtoul(argv[1], NULL, 0) : 0;
    long asked = hypercall3(ZELO_DEBUG_HYPERCALL, ZELO_DEBUG_FAIL_ALLOCATION, n ? 0 : DOMID_INVALID, n);

    if (asked < 0) {
        perror("fail_allocation");
        return 1;
    }
    printf("%ld\n", asked);
    return 0;
}
