/* SPDX-License-Identifier: MIT */
/* How far the neighbour is (neighbour.c), and whether its work came out right. */
#ifndef WORK_H
#define WORK_H

#include <stdint.h>

struct work { volatile uint64_t rounds, wrong; };

#endif
