/* SPDX-License-Identifier: Apache-2.0 */
/* A memory barrier on every thread of this process, by membarrier(2). */
#ifndef LIB_CORE_PROCESS_BARRIER_H
#define LIB_CORE_PROCESS_BARRIER_H

#include <stdbool.h>

/* To be called once in a process, before the others. */
void process_barrier_register(void);
/* The kernel may lack membarrier(2), or a seccomp profile refuse it. */
bool process_barrier_works(void);
void process_barrier(void);

#endif
