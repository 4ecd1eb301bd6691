/* SPDX-License-Identifier: MIT */
/* Used only while pv/domain.c and the page tables' files are not there. */
#include "host.h"

#include <stdlib.h>

int pv_domain_init(struct domain *d) { (void)d; return 0; }
void pv_domain_free(struct domain *d) { (void)d; }
int pv_vcpu_init(struct vcpu *v) { (void)v; return 0; }
void pv_vcpu_free(struct vcpu *v) { (void)v; }
void pv_dump_guest(struct vcpu *v) { (void)v; }

int pv_domain_relinquish(struct domain *d)
{
    u32 n = READ_ONCE(d->page_first);

    while (n != PAGE_LINK_NONE) {
        u32 next = frame_table[n].next;

        if (domain_release_page(d, &frame_table[n]))
            abort();
        n = next;
    }
    return 0;
}
