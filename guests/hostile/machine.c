/* SPDX-License-Identifier: MIT */
/* The hostile guest's hands: its own page tables, frames, and code that is expected to fault. */
#include "hostile.h"

#include <xen/memory.h>

bool not_so(const char *file, int line, const char *what, long got)
{
    for (const char *s = file; *s; s++)
        if (*s == '/')
            file = s + 1;
    print("  %s:%d: not so: %s (%ld)\n", file, line, what, got);
    return false;
}

/* --- page tables --- */

void *mfn_to_virt(uint64_t mfn)
{
    return (void *)(VIRT_BASE + M2P[mfn] * PAGE_SIZE);
}

uint64_t *pt_entry(const void *va, unsigned level)
{
    uint64_t *table = (uint64_t *)start_info->pt_base;

    for (unsigned l = 4;; l--) {
        uint64_t *e = &table[PTR(va) >> (3 + 9 * l) & 511];

        if (l == level || !(*e & PTE_P))
            return l == level ? e : NULL;
        table = mfn_to_virt((*e & PTE_FRAME) >> 12);
    }
}

uint64_t table_of(const void *va, unsigned level)
{
    return virt_to_mfn(pt_entry(va, level));
}

long entry_set(const uint64_t *entry, uint64_t val)
{
    mmu_update_t u = { .ptr = virt_to_mfn(entry) << 12 | (PTR(entry) & (PAGE_SIZE - 1)), .val = val };

    return HC4(mmu_update, PTR(&u), 1, 0, DOMID_SELF);
}

long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2)
{
    struct mmuext_op op = { .cmd = cmd };

    op.arg1.mfn = arg1;
    op.arg2.src_mfn = arg2;
    return HC4(mmuext_op, PTR(&op), 1, 0, DOMID_SELF);
}

long set_writable(void *va, bool writable)
{
    return map_page(va, pte(virt_to_mfn(va), writable ? PTE_RW | PTE_D : 0));
}

uint64_t *table_new(void)
{
    uint64_t *t = page_alloc();

    set_writable(t, false);
    return t;
}

/* The machine-to-phys table has holes where the machine has no memory. */
bool is_own(uint64_t mfn)
{
    return catch_trap(do_read, &M2P[mfn]) == TRAP_NONE && M2P[mfn] < start_info->nr_pages &&
           pfn_to_mfn(M2P[mfn]) == mfn;
}

bool refill(void *va)
{
    xen_pfn_t frame = virt_to_pfn(va);
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &frame);
    if (HC2(memory_op, XENMEM_populate_physmap, PTR(&r)) != 1)
        return false;
    ((uint64_t *)start_info->mfn_list)[virt_to_pfn(va)] = frame;
    return !map_page(va, pte(frame, PTE_RW | PTE_D));
}

char *cliff(void)
{
    static char pages[2][PAGE_SIZE] __attribute__((aligned(4096)));

    map_page(pages[0], pte(virt_to_mfn(pages[0]), PTE_RW | PTE_D));
    map_page(pages[1], 0);
    return pages[1];
}

/* --- code --- */

void do_read(void *p) { (void)*(volatile char *)p; }
void do_write(void *p) { *(volatile char *)p = 1; }

void *code_page(void)
{
    static void *page;

    if (!page) {
        page = page_alloc();
        map_page(page, pte(virt_to_mfn(page), PTE_RW | PTE_D)); /* without NX */
    }
    return page;
}

static void call_code(void *p)
{
    struct code_regs *r = p;
    register void *code __asm__("r8") = code_page();

    __asm__ volatile("call *%[code]\n\t"
                     "cld"
                     : "+a"(r->rax), "+b"(r->rbx), "+c"(r->rcx), "+d"(r->rdx), "+D"(r->rdi), "+S"(r->rsi),
                       [code] "+r"(code)
                     :: "memory", "cc", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
}

int run_code(const void *code, size_t n, struct code_regs *regs)
{
    struct code_regs none = { 0 };
    uint8_t *page = code_page();

    __builtin_memcpy(page, code, n);
    page[n] = 0xc3; /* ret */
    return catch_trap(call_code, regs ? regs : &none);
}

/* --- leaving for another context --- */

/* of the code left to, of user mode, of traps from there */
static char stacks[3][PAGE_SIZE] __attribute__((aligned(4096)));

struct iret_context frame_here(uint64_t rip)
{
    return (struct iret_context){ .rip = rip, .cs = FLAT_KERNEL_CS & ~3u, .rflags = 2,
                                  .rsp = PTR(stacks[0]) + PAGE_SIZE, .ss = FLAT_KERNEL_SS };
}

static void leave(void *p)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "movl %1, %%eax\n\t"
                     "syscall\n\t"
                     "ud2"
                     :: "r"(p), "i"(__HYPERVISOR_iret) : "memory");
}

int leave_to(const struct iret_context *f)
{
    static struct iret_context frame;

    frame = *f;
    return catch_trap(leave, &frame);
}

int run_user(const void *code, size_t n, uint64_t rflags)
{
    struct iret_context f = frame_here(PTR(code_page()));

    if (mmuext(MMUEXT_NEW_USER_BASEPTR, table_of(code_page(), 4), 0))
        return TRAP_NONE;
    HC2(stack_switch, FLAT_KERNEL_SS, PTR(stacks[2]) + PAGE_SIZE);
    __builtin_memcpy(code_page(), code, n);
    f.cs = FLAT_USER_CS64;
    f.rsp = PTR(stacks[1]) + PAGE_SIZE;
    f.rflags |= rflags;
    return leave_to(&f);
}
