/* SPDX-License-Identifier: MIT */
/* Offsets and constants for assembler, turned into gen/asm_offsets.h by the Makefile. */
#include <zelo/domain.h>
#include <arch/percpu.h>

#include "../pv/traps.h"

#define DEFINE(name, value) __asm__ volatile("\n.ascii \"->" #name " %c0\"" ::"i"((long)(value)))
#define REG(name, field) DEFINE(REG_##name, offsetof(struct cpu_user_regs, field))
/* From the saved registers at the stack's top to a field of cpu_info. */
#define INFO(name, field) \
    DEFINE(INFO_##name, (long)offsetof(struct cpu_info, field) - (long)offsetof(struct cpu_info, regs))
/* From the last byte of the stack. */
#define INFO_TOP(field) \
    DEFINE(INFO_TOP_##field, (long)offsetof(struct cpu_info, field) + 1 - (long)sizeof(struct cpu_info))

void asm_offsets(void);
void asm_offsets(void)
{
    REG(r15, r15);
    REG(r14, r14);
    REG(r13, r13);
    REG(r12, r12);
    REG(rbp, rbp);
    REG(rbx, rbx);
    REG(r11, r11);
    REG(r10, r10);
    REG(rax, rax);
    REG(rcx, rcx);
    REG(error, error_code);
    REG(vector, entry_vector);
    REG(rip, rip);
    REG(cs, cs);
    REG(rflags, rflags);
    REG(rsp, rsp);
    REG(ss, ss);
    REG(es, es);
    INFO(vcpu, vcpu);
    INFO_TOP(host_cr3);
    INFO_TOP(guest_cr3);
    INFO_TOP(guest_spec_ctrl);
    DEFINE(INFO_SIZE_ABOVE_REGS, sizeof(struct cpu_info) - offsetof(struct cpu_info, regs));
    DEFINE(VCPU_pv_flags, offsetof(struct vcpu, pv.flags));
    DEFINE(PVF_KERNEL_BIT, PVF_KERNEL);
    DEFINE(HYPERCALL_IRET, __HYPERVISOR_iret);
    DEFINE(VECTOR_PAGE_FAULT, TRAP_PAGE_FAULT);
}
