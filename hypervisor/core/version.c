/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_xen_version (<xen/version.h>): what this hypervisor is and what guests may rely on. */
#include "cmdline.h"

#include <zelo/debug.h>
#include <zelo/domain.h>
#include <zelo/errno.h>
#include <zelo/guest.h>
#include <zelo/lib.h>

#include <xen/features.h>
#include <xen/version.h>

#define QUOTE_(x) #x
#define QUOTE(x) QUOTE_(x)

/* The build may say where it comes from: -DZELO_CHANGESET=..., -DZELO_BUILD_USER=... */
#ifdef ZELO_CHANGESET
const char zelo_changeset[] = QUOTE(ZELO_CHANGESET);
#else
const char zelo_changeset[] = "unknown";
#endif
#ifdef ZELO_BUILD_USER
const char zelo_build_user[] = QUOTE(ZELO_BUILD_USER);
#else
const char zelo_build_user[] = "zelo";
#endif
const char zelo_compile_date[] = __DATE__ " " __TIME__; /* gcc takes SOURCE_DATE_EPOCH for both */
const char zelo_compiler[] = "gcc " __VERSION__;

/* Text answers have a fixed size in the ABI and are padded with zeros. */
static long write_text(vaddr_t to, const char *text, size_t size)
{
    size_t n = MIN(strlen(text), size - 1);

    if (guest_write(to, text, n) || guest_clear(to + n, size - n))
        return -EFAULT;
    return 0;
}

static long version_extraversion(vaddr_t to)
{
    return write_text(to, ".0-zelo", sizeof(xen_extraversion_t));
}

static long version_compile_info(vaddr_t to)
{
    xen_compile_info_t info = { { 0 }, { 0 }, { 0 }, { 0 } };

    str_copy(info.compiler, zelo_compiler, sizeof(info.compiler));
    str_copy(info.compile_by, zelo_build_user, sizeof(info.compile_by));
    str_copy(info.compile_domain, "Zelo " ZELO_VERSION, sizeof(info.compile_domain));
    str_copy(info.compile_date, zelo_compile_date, sizeof(info.compile_date));
    return copy_to_guest(to, &info);
}

static long version_platform_parameters(vaddr_t to)
{
    xen_platform_parameters_t p = { .virt_start = HYPERVISOR_VIRT_START };

    return copy_to_guest(to, &p);
}

static u32 feature_bits(const struct domain *d)
{
    u32 bits = (1u << XENFEAT_mmu_pt_update_preserve_ad) | (1u << XENFEAT_gnttab_map_avail_bits) |
               (1u << XENFEAT_not_direct_mapped);

    if (atomic_read(&d->vm_assist) & (1ULL << VMASST_TYPE_pae_extended_cr3))
        bits |= 1u << XENFEAT_pae_pgdir_above_4gb;
    if (d->is_dom0)
        bits |= 1u << XENFEAT_dom0;
    return bits;
}

static long version_get_features(vaddr_t to)
{
    xen_feature_info_t info;

    if (copy_from_guest(&info, to))
        return -EFAULT;
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return -EINVAL;
    info.submap = feature_bits(current->domain);
    return copy_to_guest(to, &info);
}

static long version_guest_handle(vaddr_t to)
{
    return copy_to_guest(to, &current->domain->handle);
}

/* How the host was booted is nothing for other guests. */
static long version_commandline(vaddr_t to)
{
    if (!current->domain->is_privileged)
        return -EPERM;
    return write_text(to, cmdline_whole(), sizeof(xen_commandline_t));
}

long do_xen_version(const struct hypercall_args *a)
{
    vaddr_t to = a->arg[1];

    switch ((u32)a->arg[0]) {
    case XENVER_version:
        return (XEN_ABI_MAJOR << 16) | XEN_ABI_MINOR;
    case XENVER_extraversion:
        return version_extraversion(to);
    case XENVER_compile_info:
        return version_compile_info(to);
    case XENVER_capabilities:
        return write_text(to, "xen-3.0-x86_64 ", sizeof(xen_capabilities_info_t));
    case XENVER_changeset:
        return write_text(to, zelo_changeset, sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        return version_platform_parameters(to);
    case XENVER_get_features:
        return version_get_features(to);
    case XENVER_pagesize:
        return to ? -EINVAL : (long)PAGE_SIZE;
    case XENVER_guest_handle:
        return version_guest_handle(to);
    case XENVER_commandline:
        return version_commandline(to);
    case XENVER_build_id:
        return current->domain->is_privileged ? -ENODATA : -EPERM;
    default:
        return -ENOSYS;
    }
}
