/* SPDX-License-Identifier: MIT */
/* Registers and stacks in the log: of the hypervisor at a panic, of a guest when it is ended. */
#include <zelo/domain.h>
#include <zelo/guest.h>
#include <zelo/log.h>
#include <arch/machine.h>

#define STACK_WORDS 24
#define TRACE_DEPTH 32
#define CALL_OPCODE 0xe8
#define CALL_BYTES 5

static void show_gprs(void (*out)(enum log_level, const char *, ...), enum log_level level,
                      const struct cpu_user_regs *r)
{
    out(level, "rip %016lx cs %04x rflags %08lx rsp %016lx ss %04x\n", r->rip, r->cs, r->rflags, r->rsp, r->ss);
    out(level, "rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    out(level, "rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    out(level, "r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    out(level, "r13 %016lx r14 %016lx r15 %016lx\n", r->r13, r->r14, r->r15);
}

static void show_symbol(vaddr_t addr)
{
    u64 offset = 0;
    const char *name = symbol_lookup(addr, &offset);

    if (name)
        log_err("  [%016lx] %s+0x%lx\n", addr, name, offset);
    else
        log_err("  [%016lx]\n", addr);
}

void show_registers(const struct cpu_user_regs *regs)
{
    struct vcpu *v = current;

    if (v)
        log_err("CPU %u, d%uv%u\n", this_cpu(), v->domain->id, v->id);
    else
        log_err("CPU %u, no vCPU yet\n", this_cpu());
    show_gprs(log_msg, LOG_ERR, regs);
    log_err("cr0 %08lx cr2 %016lx cr3 %016lx cr4 %08lx\n", read_cr0(), read_cr2(), read_cr3(), read_cr4());
}

static bool stack_word_mapped(vaddr_t sp)
{
    return !(sp & 7) && paging_is_mapped(sp);
}

/* The main stack ends below the guest's registers, an exception's with its page. */
static vaddr_t stack_end(vaddr_t sp)
{
    vaddr_t main_end = (vaddr_t)guest_regs(), main_start = main_end & ~(STACK_SIZE - 1);

    if (sp >= main_start + (STACK_GUARD_PAGE + 1) * PAGE_SIZE && sp < main_end)
        return main_end;
    return ALIGN_UP(sp + 1, PAGE_SIZE);
}

/*
 * True, and shown, if a CALL may have pushed it. Each has four bytes of offset: an indirect one calls its thunk.
 * One that does not return may be a function's last instruction, so it is looked up by its own last byte.
 */
static bool show_if_return_address(vaddr_t addr)
{
    u64 offset = 0;
    const char *name = symbol_lookup(addr - 1, &offset);

    if (!name || offset < CALL_BYTES - 1 || *(const u8 *)(addr - CALL_BYTES) != CALL_OPCODE)
        return false;
    log_err("  [%016lx] %s+0x%lx\n", addr, name, offset + 1);
    return true;
}

/*
 * There are no frame pointers: what a CALL may have pushed.  Among those that are still to return may be some that
 * have, whose words nothing has written to since.
 */
static void show_trace(vaddr_t sp)
{
    unsigned shown = 0;

    for (vaddr_t end = stack_end(sp); sp < end && stack_word_mapped(sp) && shown < TRACE_DEPTH; sp += sizeof(vaddr_t))
        shown += show_if_return_address(*(const vaddr_t *)sp);
}

void show_stack(const struct cpu_user_regs *regs)
{
    vaddr_t sp = ALIGN_DOWN(regs->rsp, 8UL);

    log_err("Stack at %016lx:\n", sp);
    for (u64 i = 0; i < STACK_WORDS && stack_word_mapped(sp + 8 * i) && stack_word_mapped(sp + 8 * i + 24); i += 4) {
        const u64 *w = (const u64 *)(sp + 8 * i);

        log_err("  %016lx %016lx %016lx %016lx\n", w[0], w[1], w[2], w[3]);
    }
    log_err("Call trace:\n");
    show_symbol(regs->rip);
    show_trace(sp);
}

/* current's registers; its stack if it can be read. */
void pv_dump_guest(struct vcpu *v)
{
    const struct cpu_user_regs *r = v == current ? guest_regs() : &v->pv.regs;

    log_guest(LOG_ERR, "d%uv%u in %s mode, vector %u, error code %04x, cr3 %016lx, cr2 %016lx\n", v->domain->id,
              v->id, v->pv.flags & PVF_KERNEL ? "kernel" : "user", r->entry_vector, r->error_code,
              pv_mode_root(&v->pv).n << PAGE_SHIFT, v->info->arch.cr2);
    show_gprs(log_guest, LOG_ERR, r);
    if (v != current)
        return;
    for (u64 i = 0; i < STACK_WORDS; i += 4) {
        u64 w[4];

        if (guest_read(w, r->rsp + 8 * i, sizeof(w)))
            return;
        log_guest(LOG_ERR, "  stack %016lx %016lx %016lx %016lx\n", w[0], w[1], w[2], w[3]);
    }
}
