/* SPDX-License-Identifier: MIT */
/* A 64-bit ELF program without Xen's notes: not a kernel at all. */
void _start(void);

void _start(void)
{
    for (;;)
        ;
}
