/* SPDX-License-Identifier: MIT */
/* The operations behind do_platform_op. */
#ifndef ZELO_X86_PLATFORM_OP_H
#define ZELO_X86_PLATFORM_OP_H

#include <zelo/domain.h>
#include <zelo/guest.h>

#include <xen/platform.h>

/* op is a private copy; what it became goes back to the caller if the result is 0. */
typedef int platform_fn(struct xen_platform_op *op);

/* x86/platform_firmware.c */
platform_fn platform_firmware_info;
int must_check platform_efi_info(struct xenpf_firmware_info *fi); /* XEN_FW_EFI_INFO; x86/platform_efi.c */
/* x86/platform_cpu.c */
platform_fn platform_get_cpuinfo, platform_get_cpu_version, platform_getidletime, platform_read_memtype;

#endif
