/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance_pair.h"

#include <string.h>

struct dso_session *session, *other;
char name[64];
static uint8_t *memory;

void pair_begin(void)
{
	strcpy(name, conformance_name());
	session = conformance_open();
	other = conformance_open_another();
}

void pair_end(void)
{
	dso_close(session);
	dso_close(other);
}

void pair_and_memory_begin(void)
{
	pair_begin();
	memory = conformance_region();
}

void pair_and_memory_end(void)
{
	conformance_region_end(memory);
	pair_end();
}

uint64_t *word_at(uint64_t offset)
{
	return conformance_word(memory, session, name, offset);
}

struct dso_mutex *mutex_in(struct dso_session *in)
{
	struct dso_mutex *mutex;

	OK(in, dso_mutex_open(in, name, NULL, &mutex));
	return mutex;
}

struct dso_rwlock *rwlock_in(struct dso_session *in, uint32_t readers)
{
	struct dso_rwlock_params params = {.readers = readers};
	struct dso_rwlock *rwlock;

	OK(in, dso_rwlock_open(in, name, readers ? &params : NULL, &rwlock));
	return rwlock;
}

struct dso_semaphore *semaphore_in(struct dso_session *in, uint32_t permits)
{
	struct dso_semaphore_params params = {.permits = permits};
	struct dso_semaphore *semaphore;

	OK(in, dso_semaphore_open(in, name, &params, &semaphore));
	return semaphore;
}

struct dso_barrier *barrier_in(struct dso_session *in, uint32_t parties)
{
	struct dso_barrier_params params = {.parties = parties};
	struct dso_barrier *barrier;

	OK(in, dso_barrier_open(in, name, &params, &barrier));
	return barrier;
}

struct dso_latch *latch_in(struct dso_session *in, int64_t count)
{
	struct dso_latch_params params = {.count = count};
	struct dso_latch *latch;

	OK(in, dso_latch_open(in, name, &params, &latch));
	return latch;
}

struct dso_future *future_in(struct dso_session *in, uint64_t capacity_bytes)
{
	struct dso_future_params params = {.capacity_bytes = capacity_bytes};
	struct dso_future *future;

	OK(in, dso_future_open(in, name, capacity_bytes ? &params : NULL, &future));
	return future;
}
