/* SPDX-License-Identifier: MIT */
/* Grants that nobody gave, handles that nobody has. */
#include "hostile.h"

static int map_status(domid_t dom, uint32_t ref, uint64_t at, uint32_t flags)
{
    gnttab_map_grant_ref_t map = { .host_addr = at, .flags = flags, .ref = ref, .dom = dom };

    return HC3(grant_table_op, GNTTABOP_map_grant_ref, PTR(&map), 1) ? 1 : map.status;
}

static int unmap_status(uint32_t handle, uint64_t at, uint64_t bus)
{
    gnttab_unmap_grant_ref_t unmap = { .host_addr = at, .dev_bus_addr = bus, .handle = handle };

    return HC3(grant_table_op, GNTTABOP_unmap_grant_ref, PTR(&unmap), 1) ? 1 : unmap.status;
}

static bool bad_maps(void)
{
    uint64_t at = PTR(page_alloc());

    GIVES(GNTST_bad_domain, map_status(0x7fef, 1, at, GNTMAP_host_map));
    GIVES(GNTST_bad_domain, map_status(DOMID_XEN, 1, at, GNTMAP_host_map));
    GIVES(GNTST_bad_domain, map_status(DOMID_INVALID, 1, at, GNTMAP_host_map));
    GIVES(GNTST_bad_gntref, map_status(0, ~0u, at, GNTMAP_host_map));
    GIVES(GNTST_bad_gntref, map_status(0, 1u << 20, at, GNTMAP_host_map));
    for (uint32_t ref = 0; ref < 512; ref++) {
        int status = map_status(0, ref, at, GNTMAP_host_map);

        MUST(status == GNTST_general_error || status == GNTST_bad_gntref); /* domain 0 granted us nothing */
    }
    MUST(map_status(0, 0, at, 0) != GNTST_okay);
    return true;
}

static bool bad_unmaps(void)
{
    uint64_t at = PTR(page_alloc());
    static const uint32_t handles[] = { 0, 1, 1000, 0x7fffffff, 0x80000000, 0xfffffffe, ~0u };

    for (unsigned i = 0; i < ARRAY_SIZE(handles); i++) {
        gnttab_unmap_and_replace_t replace = { .host_addr = at, .new_addr = PTR(page_alloc()),
                                               .handle = handles[i] };

        GIVES(GNTST_bad_handle, unmap_status(handles[i], at, 0));
        GIVES(GNTST_bad_handle, unmap_status(handles[i], HYPERVISOR_IMAGE, ~0UL));
        MUST(!HC3(grant_table_op, GNTTABOP_unmap_and_replace, PTR(&replace), 1));
        GIVES(GNTST_bad_handle, replace.status);
    }
    return true;
}

static int copy_status(gnttab_copy_t c)
{
    return HC3(grant_table_op, GNTTABOP_copy, PTR(&c), 1) ? 1 : c.status;
}

static bool bad_copies(void)
{
    uint64_t own = virt_to_mfn(page_alloc());
    gnttab_copy_t good = { .source = { .u.gmfn = own, .domid = DOMID_SELF },
                           .dest = { .u.gmfn = own, .domid = DOMID_SELF }, .len = 16 }, c;
    int status;

    GIVES(GNTST_okay, copy_status(good));
    c = good; c.len = 0xffff;
    GIVES(GNTST_bad_copy_arg, copy_status(c));
    c = good; c.source.offset = 4090;
    GIVES(GNTST_bad_copy_arg, copy_status(c));
    c = good; c.dest.offset = 0xffff;
    GIVES(GNTST_bad_copy_arg, copy_status(c));
    c = good; c.source.u.gmfn = HYPERVISOR_MFN;
    GIVES(GNTST_bad_page, copy_status(c));
    c = good; c.dest.u.gmfn = HYPERVISOR_MFN;
    GIVES(GNTST_bad_page, copy_status(c));
    c = good; c.dest.u.gmfn = ~0UL;
    GIVES(GNTST_bad_page, copy_status(c));
    c = good; c.source.domid = 0;
    GIVES(GNTST_permission_denied, copy_status(c));
    c = good; c.dest.domid = 0; c.dest.u.ref = 0; c.flags = GNTCOPY_dest_gref;
    status = copy_status(c); /* no such grant, or no such entry */
    MUST(status == GNTST_general_error || status == GNTST_bad_gntref);
    c = good; c.source.domid = DOMID_INVALID; c.source.u.ref = 1; c.flags = GNTCOPY_source_gref;
    GIVES(GNTST_bad_domain, copy_status(c));
    return true;
}

static bool bad_tables(void)
{
    static xen_pfn_t frames[2];
    gnttab_setup_table_t setup = { .dom = 0, .nr_frames = 1 };
    gnttab_query_size_t size = { .dom = 0 };
    gnttab_get_status_frames_t status = { .nr_frames = 1, .dom = DOMID_SELF };
    gnttab_set_version_t version = { .version = 3 };
    gnttab_get_version_t get = { .dom = 0 };
    gnttab_swap_grant_ref_t swap = { .ref_a = ~0u, .ref_b = 0 };
    gnttab_transfer_t transfer = { .mfn = virt_to_mfn(_text), .domid = 0, .ref = 1 };
    gnttab_dump_table_t dump = { .dom = 0 };

    set_xen_guest_handle(setup.frame_list, frames);
    set_xen_guest_handle(status.frame_list, (uint64_t *)frames);
    MUST(!HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1));
    GIVES(GNTST_permission_denied, setup.status);
    setup = (gnttab_setup_table_t){ .dom = DOMID_SELF, .nr_frames = ~0u, .frame_list = setup.frame_list };
    MUST(!HC3(grant_table_op, GNTTABOP_setup_table, PTR(&setup), 1));
    GIVES(GNTST_general_error, setup.status);
    MUST(!HC3(grant_table_op, GNTTABOP_query_size, PTR(&size), 1));
    GIVES(GNTST_permission_denied, size.status);
    MUST(!HC3(grant_table_op, GNTTABOP_get_status_frames, PTR(&status), 1));
    GIVES(GNTST_general_error, status.status); /* version 1 has none */
    REFUSED(EINVAL, HC3(grant_table_op, GNTTABOP_set_version, PTR(&version), 1));
    REFUSED(EPERM, HC3(grant_table_op, GNTTABOP_get_version, PTR(&get), 1));
    MUST(!HC3(grant_table_op, GNTTABOP_swap_grant_ref, PTR(&swap), 1));
    GIVES(GNTST_bad_gntref, swap.status);
    MUST(!HC3(grant_table_op, GNTTABOP_transfer, PTR(&transfer), 1));
    GIVES(GNTST_bad_page, transfer.status); /* docs/caveats.md */
    MUST(!HC3(grant_table_op, GNTTABOP_dump_table, PTR(&dump), 1));
    GIVES(GNTST_permission_denied, dump.status);
    MUST(HC3(grant_table_op, 77, PTR(&dump), 1) < 0);
    return true;
}

const struct attack grant_attacks[] = {
    { "grants not given", bad_maps },
    { "handles not had", bad_unmaps },
    { "bad copies", bad_copies },
    { "bad grant tables", bad_tables },
    { NULL, NULL },
};
