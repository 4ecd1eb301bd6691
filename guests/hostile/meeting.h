/* SPDX-License-Identifier: MIT */
/*
 * Two domains.  The owner grants pages to the peer and does to itself what the
 * peer asks for; the peer tries to have more of the owner's memory and channels
 * than it was given.  They talk through a granted page.
 *
 * The owner is told who the peer is; the peer finds the owner by trying the
 * grant of every domain.
 */
#ifndef MEETING_H
#define MEETING_H

#include "hostile.h"

/* The owner's grants. */
enum { REF_MEETING = 8, REF_PAGE, REF_READ_ONLY, REF_TABLE, REF_HYPERVISOR, REF_NOT_YOURS, REF_NONE };

/* What the peer asks for; the answer is what the hypervisor says. */
enum {
    NO_COMMAND,
    BECOME, CEASE,  /* the page of REF_PAGE, the kind that arg says (kinds[]) */
    SET_WRITABLE,   /* the same page, as arg says */
    EXCHANGE, NEW_VERSION, SWAP, REVOKE,    /* of REF_PAGE */
    GIVE_UP,        /* the page of REF_PAGE; arg: the table of REF_TABLE */
    CLOSE,
    /* Until there is another command: */
    REBIND,         /* the port is closed and another opened */
    GRANT_AND_END,  /* REF_PAGE */
    SURVIVE,        /* the peer will end: look what is left of it then */
    POWER_OFF, CRASH, HANG, /* no answer comes */
};

#define MAGIC 0x7a656c6f68656c6fUL

struct meeting {
    uint64_t magic;
    uint64_t page, table;           /* frames of REF_PAGE and REF_TABLE, an L1 that is pinned */
    uint64_t tables[5];             /* of the owner's kernel, by level */
    volatile uint32_t port;         /* for the peer to bind */
    volatile uint64_t arg;
    volatile uint32_t command;      /* the owner sets NO_COMMAND when it is done */
    volatile int64_t answer;
    volatile int64_t ended;         /* GRANT_AND_END: how often; negative: somebody had the page still */
};

void rest(void);
long port_close(uint32_t port);
long port_state(uint32_t port);     /* EVTCHNSTAT_* */
long give_up(uint64_t mfn);         /* how many pages */
long exchange(uint64_t mfn);

/* --- the peer's --- */

extern domid_t owner_id;
extern struct meeting *meet;

bool find_owner(void);              /* once */
int64_t ask(uint32_t command, uint64_t arg); /* the answer, or NO_ANSWER */
#define NO_ANSWER (-1000)
void owner_dismiss(void);           /* if there is one */
/* A grant of the owner's: GNTST_*. */
int map_ref(uint32_t ref, const void *at, uint32_t flags, uint32_t *handle);
int map_ref_at(uint32_t ref, uint64_t host_addr, uint32_t flags, uint32_t *handle);
int unmap(uint32_t handle, const void *at);
int unmap_at(uint32_t handle, uint64_t host_addr, uint64_t dev_bus_addr);
int copy_between(uint32_t from, uint32_t to); /* of the owner's grants, both */
long bind_owner_port(uint32_t *port);

#endif
