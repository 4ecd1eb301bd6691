/* SPDX-License-Identifier: MIT */
/* What entry.S and the C code around it agree on. */
#ifndef ZELO_X86_ENTRY_H
#define ZELO_X86_ENTRY_H

#define ENTRY_STUB_BYTES 16
#define SYSCALL_STUB_BYTES 32
#define ENTRY_MAX_CPUS 256 /* MAX_CPUS, for the assembler */
/* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code. */
#define EXCEPTIONS_WITH_ERROR 0x60227d00

/* entry_vector of the entries without a gate. Bit 8: SYSRET may lead back. */
#define VECTOR_SYSCALL 0x100
#define VECTOR_SYSCALL32 0x200
#define VECTOR_SYSENTER 0x201

/* Blocks of the ways in and out that x86/speculation.c opens: bits, of which a block may have several. */
#define SPEC_XPTI 1
#define SPEC_MSR 2
#define SPEC_RSB 4
#define SPEC_IBPB 8
#define SPEC_VERW 16
#define THUNK_BYTES 32
#ifdef __ASSEMBLY__ /* for C: pv/msr.h */
#define MSR_SPEC_CTRL 0x48
#define MSR_PRED_CMD 0x49
#define PRED_CMD_IBPB 1
#endif

#ifndef __ASSEMBLY__
#include <zelo/types.h>

struct cpu_user_regs;
struct vcpu;

extern u8 indirect_thunks[];
extern u32 speculation_host_spec_ctrl;
extern char entry_stubs[], entry_double_fault[], entry_nmi[], entry_machine_check[], entry_debug[];
extern char syscall_stubs[], syscall32_stubs[], entry_sysenter[], guest_iret[];
no_return void exit_to_guest(void);
extern struct syscall_stack { u64 guest_rsp, frame_end; } syscall_stacks[ENTRY_MAX_CPUS]; /* each the CPU's own */

int load_ds_safe(u16 sel), load_es_safe(u16 sel), load_fs_safe(u16 sel), load_gs_safe(u16 sel);
int xrstor_safe(const void *area, u64 mask);
int fxrstor_safe(const void *area);

/* Called by entry.S. */
void trap_from_guest(struct cpu_user_regs *regs);
void trap_in_hypervisor(struct cpu_user_regs *regs);
void trap_debug_in_hypervisor(struct cpu_user_regs *regs);
void trap_double_fault(struct cpu_user_regs *regs);
void trap_nmi(struct cpu_user_regs *regs);
void trap_machine_check(struct cpu_user_regs *regs);
/*
 * All of a hypercall, up to the way out.  The registers that C functions keep are the guest's again when it returns:
 * no hypercall changes its own vCPU's, and after a switch it does not return.
 */
void hypercall_from_kernel(struct cpu_user_regs *regs);
void guest_exit_work(void), guest_exit_again(void); /* and what pv/traps.h names */
#endif

#endif
