/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/loop.h"
#include "tests/runner.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct end {
	struct source source; /* the first member */
	unsigned calls;
	bool is_over;
};

static struct loop loop;
static struct end *ends[2], another;

static void count_call(struct source *source, uint32_t events)
{
	struct end *end = (struct end *)source;

	(void)events;
	ck_assert(!end->is_over);
	end->calls++;
}

/* Ends the other one, whose event is in the same turn. Its descriptor is another's from then on. */
static void end_other(struct source *source, uint32_t events)
{
	unsigned others = (struct end *)source == ends[0];
	struct end *other = ends[others];
	int fd;

	count_call(source, events);
	/* The one that is ended is freed behind the turn. */
	if (!other)
		return;
	fd = other->source.fd;
	ends[others] = NULL;
	other->is_over = true;
	loop_bury(&loop, &other->source, other);
	ck_assert_int_eq(eventfd(0, EFD_CLOEXEC), fd);
	ck_assert_int_eq(loop_add(&loop, &another.source, fd, EPOLLIN, count_call), 0);
}

START_TEST(an_event_of_a_source_that_was_ended_in_the_same_turn_reaches_nobody)
{
	ck_assert_int_eq(loop_open(&loop), 0);
	for (unsigned i = 0; i < 2; i++) {
		ends[i] = calloc(1, sizeof *ends[i]);
		ck_assert_int_eq(loop_add(&loop, &ends[i]->source, eventfd(1, EFD_CLOEXEC), EPOLLIN,
					  end_other),
				 0);
	}
	another = (struct end){.calls = 0};
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(another.calls, 0);
	/* It is served for events of its own. */
	ck_assert_int_eq(eventfd_write(another.source.fd, 1), 0);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(another.calls, 1);
	loop_end(&loop, &another.source);
	loop_close(&loop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tests = tcase_create("loop");

	tcase_add_test(tests, an_event_of_a_source_that_was_ended_in_the_same_turn_reaches_nobody);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
