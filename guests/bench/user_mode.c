/* SPDX-License-Identifier: MIT */
/* A system call from the guest's user mode to its kernel and back, with address spaces of their own. */
#include "bench.h"

#define CALLS 256u

/*
 * bench_to_user(frame): leaves for user mode and comes back when its program
 * calls with RAX not 0.  The program makes RBX calls before.
 */
__asm__(".balign 16\n"
        "bench_to_user:\n"
        "        pushq %rbx; pushq %rbp; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
        "        movq %rsp, bench_kernel_rsp(%rip)\n"
        "        movl $256, %ebx\n"
        "        movq %rdi, %rsp\n"
        "        jmp hypercall_page + 23 * 32\n"
        ".balign 16\n"
        "bench_syscall:\n"
        "        testl %eax, %eax\n"
        "        jnz 1f\n"
        "        popq %rcx\n"
        "        popq %r11\n"
        "        pushq $0x100\n" /* VGCF_in_syscall */
        "        jmp hypercall_page + 23 * 32\n"
        "1:      movq bench_kernel_rsp(%rip), %rsp\n"
        "        popq %r15; popq %r14; popq %r13; popq %r12; popq %rbp; popq %rbx\n"
        "        ret\n"
        ".balign 16\n"
        "bench_user:\n"
        "        xorl %eax, %eax\n"
        "        syscall\n"
        "        decl %ebx\n"
        "        jnz bench_user\n"
        "        movl $1, %eax\n"
        "        syscall\n"
        "        ud2\n"
        ".local bench_kernel_rsp\n"
        ".comm bench_kernel_rsp, 8, 8\n");
_Static_assert(CALLS == 256 && VGCF_in_syscall == 0x100 && __HYPERVISOR_iret == 23, "the code above");

struct user_frame { uint64_t flags, rip, cs, rflags, rsp, ss; };
void bench_to_user(const struct user_frame *f);
extern char bench_syscall[], bench_user[];

static char user_stack[PAGE_SIZE] __attribute__((aligned(4096)));
static char kernel_stack[PAGE_SIZE] __attribute__((aligned(4096)));

static void prepare(void)
{
    uint64_t *l4 = tables_new(1);

    l4[VIRT_BASE >> 39 & 511] = root_entry();
    page_set(l4, PAGE_FLAGS);
    must("pinning", mmuext(MMUEXT_PIN_L4_TABLE, virt_to_mfn(l4)));
    must("a user mode's table", mmuext(MMUEXT_NEW_USER_BASEPTR, virt_to_mfn(l4)));
    must("stack_switch", HC2(stack_switch, FLAT_KERNEL_SS, PTR(kernel_stack) + PAGE_SIZE));
    must("set_callbacks", HC3(set_callbacks, PTR(event_entry), PTR(failsafe_entry), PTR(bench_syscall)));
}

/*
 * CALLS of them and the one that comes back.  The hypercall page's code pushes
 * three registers below the frame, so that is on a stack.
 */
static long calls(unsigned i)
{
    static struct { uint64_t room[8]; struct user_frame f; } stack;

    (void)i;
    stack.f = (struct user_frame){ .rip = PTR(bench_user), .cs = FLAT_USER_CS, .rflags = 0x202,
                                   .rsp = PTR(user_stack) + PAGE_SIZE, .ss = FLAT_USER_SS };
    bench_to_user(&stack.f);
    vcpu_info()->evtchn_upcall_mask = 1;
    return 0;
}

static const struct row rows[] = {
    { .name = "syscall_from_user", .operate = calls, .repeats = 1, .each = CALLS + 1 }, { .name = NULL },
};

const struct family user_mode = { prepare, rows, NULL };
