/* SPDX-License-Identifier: Apache-2.0 */
/* What most tests begin with: two sessions at the same time, the second maybe over another
 * transport, and a name that no object has. */
#ifndef TESTS_CONFORMANCE_PAIR_H
#define TESTS_CONFORMANCE_PAIR_H

#include "tests/conformance.h"

extern struct dso_session *session, *other;
extern char name[64];

void pair_begin(void);
void pair_end(void);

/* The same, with the store's memory behind. */
void pair_and_memory_begin(void);
void pair_and_memory_end(void);
/* The word at @offset of the object `name`, there. */
uint64_t *word_at(uint64_t offset);

/* Handles of the object `name` in @in. A parameter of 0 is left to who made it. */
struct dso_mutex *mutex_in(struct dso_session *in);
struct dso_rwlock *rwlock_in(struct dso_session *in, uint32_t readers);
struct dso_semaphore *semaphore_in(struct dso_session *in, uint32_t permits);
struct dso_barrier *barrier_in(struct dso_session *in, uint32_t parties);
struct dso_latch *latch_in(struct dso_session *in, int64_t count);
struct dso_future *future_in(struct dso_session *in, uint64_t capacity_bytes);

#endif
