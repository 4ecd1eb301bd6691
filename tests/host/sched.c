/* SPDX-License-Identifier: MIT */
/* The scheduler brought up for tests: an idle vCPU for each CPU, all in Pool-0. */
#include "host.h"

#include <zelo/softirq.h>

#include <stdlib.h>

static void idle_vcpu_make(unsigned cpu)
{
    struct vcpu *v = mem_alloc_type(struct vcpu);

    if (!v)
        abort();
    v->id = v->processor = cpu;
    v->domain = dom_idle;
    v->is_initialised = true;
    v->info = &v->own_info;
    if (sched_vcpu_init(v))
        abort();
    idle_vcpu[cpu] = v;
}

void host_sched_start(void)
{
    unsigned cpu;

    if (!dom_idle)
        domain_room_init();
    if (idle_vcpu[0])
        return;
    tasklet_room_init();
    timer_room_init();
    sched_room_init();
    for_each_online_cpu(cpu) {
        timer_cpu_init(cpu);
        idle_vcpu_make(cpu);
        sched_cpu_init(cpu);
    }
    if (!current)
        host_set_current(idle_vcpu[this_cpu()]);
}
