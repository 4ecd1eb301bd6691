/* SPDX-License-Identifier: MIT */
/*
 * What the tools do, for a tiny guest that is domain 0: makes domains, fills
 * them, lets them run and ends them, with nothing between it and the hypervisor.
 * Each answers 0 or a negative error.
 */
#ifndef TOOLS_H
#define TOOLS_H

#include "guest.h"

#include <xen/domctl.h>
#include <xen/sysctl.h>

#define TOOLS_ENOMEM (-12)

/* The frames of a domain that are not just memory, by index; a domain has at least these. */
enum { FRAME_CODE, FRAME_L1, FRAME_L2, FRAME_L3, FRAME_L4, FRAMES_LEAST };

long tools_domctl(struct xen_domctl *op, uint32_t cmd, domid_t id);
long tools_sysctl(struct xen_sysctl *op, uint32_t cmd);
uint64_t tools_free_pages(void);
void tools_debug_key(char key);

/* A domain with one vCPU that may have so many pages, as libxl asks for one. *id names it, whatever failed after. */
long tools_create(domid_t *id, unsigned pages);
long tools_create_smp(domid_t *id, unsigned pages, unsigned vcpus);
/* So many pages, their frames written to the list. */
long tools_populate(domid_t id, xen_pfn_t *frames, unsigned pages);
/* Page tables, with code that calls sched_op(command) for ever. */
long tools_build(domid_t id, const xen_pfn_t *frames, unsigned command);
long tools_start(domid_t id, const xen_pfn_t *frames);
long tools_destroy(domid_t id);
/* Its state; false: there is none. */
bool tools_describe(domid_t id, struct xen_domctl_getdomaininfo *info);
/* It has run, and waits in its call. */
bool tools_domain_waits(domid_t id);

/* Another domain's frame, seen through one page of our own until the next, or window_close(). NULL: not allowed. */
void *window(domid_t id, uint64_t mfn);
void window_close(void);

/* Gives the CPU to others until a condition holds; false: it never did. */
bool wait_for(bool (*done)(uint64_t), uint64_t arg);

#endif
