/* SPDX-License-Identifier: Apache-2.0 */
/* When a session may be swept: paths of the test's own, which close when the test says so. */
#include "storaged/session/fence.h"
#include "tests/runner.h"

#define PATHS 3

struct path {
	struct fence fence;
	unsigned asked;
	bool closes_at_once;
};

static struct fences fences;
static struct path paths[PATHS];
static unsigned sweeps;

static void close_path(struct fence *fence, enum session_end why)
{
	struct path *path = container_of(fence, struct path, fence);

	ck_assert_int_eq(why, END_silent);
	ck_assert_uint_eq(sweeps, 0);
	path->asked++;
	if (path->closes_at_once)
		fence_closed(fence);
}

static const struct fence_ops slow = {.close = close_path};
static const struct fence_ops mapped = {.close = close_path, .open_while = "it is mapped"};

static void sweep(struct fences *of)
{
	ck_assert_ptr_eq(of, &fences);
	for (unsigned i = 0; i < PATHS; i++)
		ck_assert(list_empty(&paths[i].fence.link));
	sweeps++;
}

static void setup(void)
{
	sweeps = 0;
	fences_init(&fences, sweep);
	for (unsigned i = 0; i < PATHS; i++) {
		paths[i] = (struct path){0};
		fence_open(&fences, &paths[i].fence, i ? &slow : &mapped,
			   i ? CONTROL_TCP : CONTROL_SHM);
	}
}

START_TEST(nothing_is_swept_before_the_last_path_is_closed)
{
	fences_close(&fences, END_silent);
	for (unsigned i = 0; i < PATHS; i++) {
		ck_assert_uint_eq(paths[i].asked, 1);
		ck_assert_uint_eq(sweeps, 0);
		fence_closed(&paths[i].fence);
	}
	ck_assert_uint_eq(sweeps, 1);
}
END_TEST

START_TEST(paths_that_close_at_once_are_all_asked_and_swept_once)
{
	for (unsigned i = 0; i < PATHS; i++)
		paths[i].closes_at_once = true;
	fences_close(&fences, END_silent);
	for (unsigned i = 0; i < PATHS; i++)
		ck_assert_uint_eq(paths[i].asked, 1);
	ck_assert_uint_eq(sweeps, 1);
}
END_TEST

START_TEST(a_path_that_closes_at_once_does_not_speak_for_the_others)
{
	paths[1].closes_at_once = true;
	fences_close(&fences, END_silent);
	fence_closed(&paths[2].fence);
	ck_assert_uint_eq(sweeps, 0);
	fence_closed(&paths[0].fence);
	ck_assert_uint_eq(sweeps, 1);
}
END_TEST

START_TEST(paths_that_close_while_the_session_lives_have_nothing_swept)
{
	for (unsigned i = 0; i < PATHS; i++)
		fence_closed(&paths[i].fence);
	ck_assert_uint_eq(sweeps, 0);
	fences_close(&fences, END_silent);
	ck_assert_uint_eq(sweeps, 1);
	ck_assert_uint_eq(paths[0].asked, 0);
}
END_TEST

START_TEST(what_is_open_is_told_by_kind_and_transport)
{
	ck_assert_uint_eq(fences_count(&fences, &slow), 2);
	ck_assert_ptr_eq(fences_find(&fences, &mapped), &paths[0].fence);
	ck_assert_str_eq(fences_open_while(&fences), "it is mapped");
	paths[1].fence.has_ended = true;
	ck_assert(fences_carry(&fences, CONTROL_TCP));
	paths[2].fence.has_ended = true;
	ck_assert(!fences_carry(&fences, CONTROL_TCP));
	ck_assert(fences_are_closing(&fences));
	fence_closed(&paths[1].fence);
	fence_closed(&paths[2].fence);
	ck_assert(!fences_are_closing(&fences));
	ck_assert(fences_carry(&fences, CONTROL_SHM));
	fence_closed(&paths[0].fence);
	ck_assert_ptr_null(fences_find(&fences, &mapped));
	ck_assert_ptr_null(fences_open_while(&fences));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fence");
	TCase *tests = tcase_create("fence");

	tcase_add_checked_fixture(tests, setup, NULL);
	tcase_add_test(tests, nothing_is_swept_before_the_last_path_is_closed);
	tcase_add_test(tests, paths_that_close_at_once_are_all_asked_and_swept_once);
	tcase_add_test(tests, a_path_that_closes_at_once_does_not_speak_for_the_others);
	tcase_add_test(tests, paths_that_close_while_the_session_lives_have_nothing_swept);
	tcase_add_test(tests, what_is_open_is_told_by_kind_and_transport);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
