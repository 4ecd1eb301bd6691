/* SPDX-License-Identifier: MIT */
/*
 * Emulation of privileged instructions: one decoded instruction of the current
 * vCPU, and what became of it.  emulate.c decodes and dispatches; each family
 * has its file.
 */
#ifndef ZELO_PV_EMULATE_H
#define ZELO_PV_EMULATE_H

#include <zelo/pv.h>

#define TRAP_DB 1
#define TRAP_UD 6
#define TRAP_GP 13

enum emul_result {
    EMUL_DONE,    /* go on behind the instruction */
    EMUL_AGAIN,   /* registers say how far it came: the guest issues it again */
    EMUL_FAULT,   /* a fault was injected; RIP stays */
    EMUL_REFUSED, /* #GP(0), as the CPU said */
};

enum emul_segment { SEG_NONE, SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS };

struct emul {
    struct vcpu *v;
    struct cpu_user_regs *regs;
    bool kernel;               /* guest kernel mode */
    bool long_mode;            /* 64-bit code segment */
    u8 bytes[15], length;      /* fetched */
    u8 at;                     /* decoded so far */
    u8 rex;
    bool opsize16, addr_override, rep, lock;
    u8 segment;                /* enum emul_segment: override */
    u8 modrm;
};

/* The next byte of the instruction; false: it ends before. */
bool must_check emul_next(struct emul *e, u8 *byte);
bool must_check emul_modrm(struct emul *e);
/* Register n as ModRM, with REX, numbers it. */
u64 *emul_reg(const struct emul *e, unsigned n);
/* ModRM's memory operand, its segment base included; false: not decodable. Reads the rest of the bytes. */
bool must_check emul_address(struct emul *e, vaddr_t *va);
/* Base of a segment of the running guest; false: its descriptor cannot be read. */
bool must_check emul_segment_base(const struct emul *e, enum emul_segment s, u64 *base);
enum emul_result emul_fault(unsigned vector, s64 error);
/* Do the guest's tables let it read, or write, the page at va? */
bool must_check emul_page_allows(const struct emul *e, vaddr_t va, bool write);
/* A page fault for an access of guest memory that failed: at that of its two pages which is the reason. */
enum emul_result emul_page_fault(const struct emul *e, vaddr_t va, unsigned bytes, bool write);

/* --- emulate_io.c; port: of the immediate or DX --- */
enum emul_result emul_in(struct emul *e, u16 port, unsigned bytes);
enum emul_result emul_out(struct emul *e, u16 port, unsigned bytes);
enum emul_result emul_cli_sti(struct emul *e);
enum emul_result emul_ins(struct emul *e, unsigned bytes);
enum emul_result emul_outs(struct emul *e, unsigned bytes);

/* --- io_port.c: what a port access of a domain does, its permission for it (IOPL) checked already --- */
u32 io_port_read(struct domain *d, u16 port, unsigned bytes);
void io_port_write(struct domain *d, u16 port, unsigned bytes, u32 value);
/* --- hardware.c: the ports themselves --- */
u32 io_hw_read(u16 port, unsigned bytes);
void io_hw_write(u16 port, unsigned bytes, u32 value);

/* --- emulate_cr.c: two-byte opcodes 0x01, 0x06, 0x20..0x23 --- */
enum emul_result emul_group_0f01(struct emul *e);
u64 emul_cr0(const struct vcpu *v); /* CR0 as the guest sees it */
enum emul_result emul_clts(struct emul *e);
enum emul_result emul_mov_from_cr(struct emul *e);
enum emul_result emul_mov_to_cr(struct emul *e);
enum emul_result emul_mov_from_dr(struct emul *e);
enum emul_result emul_mov_to_dr(struct emul *e);

/* Installs the page table that a guest's CR3 value names as its kernel root. emulate_cr3.c */
enum emul_result emul_write_cr3(struct vcpu *v, u64 value);

/* --- emulate_umip.c --- */
enum emul_result emul_store_table(struct emul *e); /* SGDT, SIDT */
enum emul_result emul_smsw(struct emul *e);
enum emul_result emul_group_0f00(struct emul *e);

/* --- emulate_misc.c --- */
enum emul_result emul_cpuid(struct emul *e);
enum emul_result emul_rdtsc(struct emul *e);
enum emul_result emul_rdtscp(struct emul *e);
enum emul_result emul_rdmsr(struct emul *e);
enum emul_result emul_wrmsr(struct emul *e);
enum emul_result emul_xsetbv(struct emul *e);
enum emul_result emul_wbinvd(struct emul *e);
enum emul_result emul_hlt(struct emul *e);

#endif
