/* SPDX-License-Identifier: MIT */
/* The build's own facts: version strings for XENVER_* and the banner. core/version.c */
#ifndef ZELO_DEBUG_H
#define ZELO_DEBUG_H

#define ZELO_VERSION "0.1"
/* The Xen ABI that guests and tools are told (XENVER_version). */
#define XEN_ABI_MAJOR 4u
#define XEN_ABI_MINOR 17u

extern const char zelo_changeset[], zelo_compile_date[], zelo_compiler[], zelo_build_user[];

#endif
