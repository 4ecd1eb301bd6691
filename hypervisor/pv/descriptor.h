/* SPDX-License-Identifier: MIT */
/* Guests' segment descriptors: pv/descriptor.c */
#ifndef ZELO_PV_DESCRIPTOR_H
#define ZELO_PV_DESCRIPTOR_H

#include <zelo/types.h>

/*
 * Checks one descriptor; true if a guest may have it. Raises its DPL to 3, since
 * all of a 64-bit PV guest runs in ring 3: guests see that on reading it back.
 */
bool must_check pv_descriptor_fix(u64 *desc);
/* All 512 of a page that nobody can write meanwhile (type count zero). */
bool must_check pv_descriptors_valid(u64 *page);

#endif
