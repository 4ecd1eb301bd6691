/* SPDX-License-Identifier: MIT */
/* The CPU state of vCPUs, which x86/ keeps on the machine: here it is remembered and no more. */
#include "host.h"

#include <arch/machine.h>

#include <zelo/pv.h>

static u64 root_slots[512];
u64 *cpu_gdt_page[MAX_CPUS];

u64 *paging_l4_slot(unsigned slot) { return &root_slots[slot]; }

size_t pv_fpu_area_size(void) { return 512 + 64; }
int pv_fpu_init(struct vcpu *v)
{
    v->pv.fpu = mem_alloc(pv_fpu_area_size());
    return v->pv.fpu ? 0 : -ENOMEM;
}
void pv_fpu_free(struct vcpu *v) { mem_free(v->pv.fpu); }
void pv_fpu_reset(struct vcpu *v) { memset(v->pv.fpu, 0, pv_fpu_area_size()); }

void pv_load_cr3(struct vcpu *v)
{
    v->pv.cr3 = pv_mode_root(&v->pv).n << PAGE_SHIFT;
}
int pv_debugreg_set(struct vcpu *v, unsigned reg, u64 value)
{
    if (reg >= 6 && value >> 32)
        return -EPERM;
    v->pv.dr[reg] = value;
    return 0;
}

void pv_load_ldt(struct vcpu *v) { (void)v; }
