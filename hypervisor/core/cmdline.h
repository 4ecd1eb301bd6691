/* SPDX-License-Identifier: MIT */
#ifndef ZELO_CORE_CMDLINE_H
#define ZELO_CORE_CMDLINE_H

/* The hypervisor's command line as the loader gave it, without the image's name. */
const char *cmdline_whole(void);

#endif
