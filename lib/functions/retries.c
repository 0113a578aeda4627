/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/retries.h"

#define RETRIES_MAX  1000
#define PAUSE_NS     (100 * DSO_MILLISECOND)
#define PAUSE_NS_MAX (10 * DSO_SECOND)
#define PAUSE_FACTOR 2.0

const char *retries_check(const struct dso_retry *retry)
{
	if (retry->retries > RETRIES_MAX)
		return "more than 1,000 retries are asked for";
	if (retry->pause < 0 || retry->pause_max < 0)
		return "a pause between retries is negative";
	if (retry->factor != 0 && !(retry->factor >= 1))
		return "the factor between pauses is less than 1";
	for (size_t i = 0; i < sizeof retry->reserved / sizeof *retry->reserved; i++)
		if (retry->reserved[i])
			return "a reserved member of the retries is not zero";
	return NULL;
}

int64_t retries_pause_ns(const struct dso_retry *retry, uint32_t failures)
{
	double pause_ns = (double)(retry->pause ? retry->pause : PAUSE_NS);
	double longest_ns = pause_ns > PAUSE_NS_MAX ? pause_ns : (double)PAUSE_NS_MAX;
	double max_ns = retry->pause_max ? (double)retry->pause_max : longest_ns;
	double factor = retry->factor != 0 ? retry->factor : PAUSE_FACTOR;

	while (failures-- > 1 && pause_ns < max_ns)
		pause_ns *= factor;
	return (int64_t)(pause_ns < max_ns ? pause_ns : max_ns);
}

void retries_add(struct pause **list, struct pause *pause, int64_t due_ns)
{
	while (*list && (*list)->due_ns <= due_ns)
		list = &(*list)->next;
	pause->is_on = true;
	pause->due_ns = due_ns;
	pause->next = *list;
	*list = pause;
}

void retries_remove(struct pause **list, struct pause *pause)
{
	while (*list != pause)
		list = &(*list)->next;
	*list = pause->next;
	pause->is_on = false;
}
