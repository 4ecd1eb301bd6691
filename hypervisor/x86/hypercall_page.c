/* SPDX-License-Identifier: MIT */
/*
 * The page of 32-byte routines that a guest calls, one for each hypercall
 * number. RCX and R11, which SYSCALL destroys, are kept for the guest; a
 * continued hypercall goes back by the length of the SYSCALL instruction.
 */
#include <zelo/lib.h>
#include <zelo/pv.h>
#include <zelo/types.h>

#include <xen/xen.h>

#define ROUTINE_BYTES 32UL

static const u8 call_code[] = {
    0x51,                   /* push %rcx */
    0x41, 0x53,             /* push %r11 */
    0xb8, 0, 0, 0, 0,       /* mov $nr, %eax */
    0x0f, 0x05,             /* syscall */
    0x41, 0x5b,             /* pop %r11 */
    0x59,                   /* pop %rcx */
    0xc3,                   /* ret */
};
#define CALL_NR_OFFSET 4

/* iret's frame begins with RCX, R11 and RAX (struct iret_context), and it does not come back. */
static const u8 iret_code[] = {
    0x51,                   /* push %rcx */
    0x41, 0x53,             /* push %r11 */
    0x50,                   /* push %rax */
    0xb8, 0, 0, 0, 0,       /* mov $nr, %eax */
    0x0f, 0x05,             /* syscall */
    0x0f, 0x0b,             /* ud2 */
};
#define IRET_NR_OFFSET 5

void hypercall_page_fill(void *page)
{
    memset(page, 0xcc, PAGE_SIZE);
    for (u32 nr = 0; nr < PAGE_SIZE / ROUTINE_BYTES; nr++) {
        u8 *at = (u8 *)page + nr * ROUTINE_BYTES;
        bool iret = nr == __HYPERVISOR_iret;

        memcpy(at, iret ? iret_code : call_code, iret ? sizeof(iret_code) : sizeof(call_code));
        memcpy(at + (iret ? IRET_NR_OFFSET : CALL_NR_OFFSET), &nr, sizeof(nr));
    }
}
