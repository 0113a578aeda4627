/* SPDX-License-Identifier: Apache-2.0 */
/* Whether others wait already: how many sessions are parked on a word. */
#ifndef TESTS_PARKED_H
#define TESTS_PARKED_H

#include "tests/await.h"

#include <dso/dso.h>
#include <string.h>

/* At the store of @observer; UINT64_MAX: it does not say. */
static inline uint64_t parked_count(struct dso_session *observer)
{
	struct dso_figure figures[DSO_FIGURES_MAX];
	size_t count = 0;

	if (dso_transport_stat(observer, figures, DSO_FIGURES_MAX, &count))
		return UINT64_MAX;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(figures[i].name, "sessions_parked"))
			return figures[i].value;
	return UINT64_MAX;
}

#endif
