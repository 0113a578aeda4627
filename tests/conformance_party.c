/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance_party.h"

#include <pthread.h>

#define PARTIES_MAX 16

static struct {
	struct party party;
	pthread_t thread;
	void (*run)(struct party *party);
} parties[PARTIES_MAX];
static unsigned party_count;

static void *run(void *argument)
{
	unsigned *number = argument;

	parties[*number].run(&parties[*number].party);
	return NULL;
}

void parties_begin(unsigned count, void (*what)(struct party *party))
{
	ck_assert_uint_le(count, PARTIES_MAX);
	party_count = count;
	for (unsigned i = 0; i < count; i++) {
		parties[i].party = (struct party){i, conformance_open_another()};
		parties[i].run = what;
	}
	for (unsigned i = 0; i < count; i++)
		ck_assert_int_eq(
			pthread_create(&parties[i].thread, NULL, run, &parties[i].party.number), 0);
}

void parties_end(void)
{
	for (unsigned i = 0; i < party_count; i++)
		pthread_join(parties[i].thread, NULL);
	for (unsigned i = 0; i < party_count; i++)
		dso_close(parties[i].party.session);
}
