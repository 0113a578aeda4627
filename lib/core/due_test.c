/* SPDX-License-Identifier: Apache-2.0 */
/* The heap by due time, against a table that is searched. */
#include "lib/core/due.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 300
#define STEPS   200000

static struct due members[MEMBERS];
static bool is_in[MEMBERS];

/* Whether no member is due before the first. */
static bool first_is_first(const struct due *first)
{
	bool any = false;

	for (unsigned i = 0; i < MEMBERS; i++) {
		any |= is_in[i];
		if (is_in[i] && (!first || members[i].at_ns < first->at_ns))
			return false;
	}
	return any == (first != NULL);
}

/* Put a member in, or take it out: any one, or the first. */
static void change(struct due **first)
{
	unsigned i = (unsigned)rand() % MEMBERS;

	if (*first && rand() % 4 == 0)
		i = (unsigned)(*first - members);
	if (is_in[i])
		due_remove(first, &members[i]);
	else
		due_put(first, &members[i], rand() % 1000);
	is_in[i] = !is_in[i];
}

int main(void)
{
	struct due *first = NULL;
	bool good = true;

	srand(1);
	for (unsigned step = 0; step < STEPS && good; step++) {
		change(&first);
		good = first_is_first(first);
	}
	printf("1..1\n%sok 1 - nobody is due before the first, whoever comes and goes\n",
	       good ? "" : "not ");
	return !good;
}
