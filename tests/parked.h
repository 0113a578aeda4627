/* SPDX-License-Identifier: Apache-2.0 */
/* What became of waiters, by the figures of a store. */
#ifndef TESTS_PARKED_H
#define TESTS_PARKED_H

#include "tests/await.h"

#include <dso/dso.h>
#include <string.h>

/* Of the store of @observer; UINT64_MAX: it does not say. */
static inline uint64_t figure_of(struct dso_session *observer, const char *name)
{
	struct dso_figure figures[DSO_FIGURES_MAX];
	size_t count = 0;

	if (dso_transport_stat(observer, figures, DSO_FIGURES_MAX, &count))
		return UINT64_MAX;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(figures[i].name, name))
			return figures[i].value;
	return UINT64_MAX;
}

/* How many sessions are parked on a word: whether others wait already. */
static inline uint64_t parked_count(struct dso_session *observer)
{
	return figure_of(observer, "sessions_parked");
}

/* How often a waiter did not come for what it was given, and the next one had it: what the order
 * and number of waiters then say is the machine's affair. */
static inline uint64_t grants_missed(struct dso_session *observer)
{
	return figure_of(observer, "grants_missed");
}

#endif
