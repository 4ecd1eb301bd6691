/* SPDX-License-Identifier: MIT */
/* Doubly linked circular lists; the caller holds whatever lock guards them. */
#ifndef ZELO_LIST_H
#define ZELO_LIST_H

#include <zelo/types.h>

struct list { struct list *next, *prev; };

#define LIST_INIT(name) { &(name), &(name) }
static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_insert_after(struct list *at, struct list *n)
{
    n->next = at->next;
    n->prev = at;
    at->next->prev = n;
    at->next = n;
}
static inline void list_push_front(struct list *l, struct list *n) { list_insert_after(l, n); }
static inline void list_push_back(struct list *l, struct list *n) { list_insert_after(l->prev, n); }
/* Removes n and leaves it an empty list of its own, so removal may repeat. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}
#define list_entry(p, type, member) container_of(p, type, member)
#define list_first(l, type, member) list_entry((l)->next, type, member)
#define list_for_each(pos, l, member)                                             \
    for (pos = list_entry((l)->next, __typeof__(*pos), member); &pos->member != (l); \
         pos = list_entry(pos->member.next, __typeof__(*pos), member))
#define list_for_each_safe(pos, tmp, l, member)                                   \
    for (pos = list_entry((l)->next, __typeof__(*pos), member),                   \
        tmp = list_entry(pos->member.next, __typeof__(*pos), member);             \
         &pos->member != (l);                                                     \
         pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))

#endif
