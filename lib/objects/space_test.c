/* SPDX-License-Identifier: Apache-2.0 */
/* The space of an object: random histories, sessions that end before each single operation, a full
 * arena, threads. */
#include "lib/objects/space_slots_test.h"
#include "lib/objects/stride.h"
#include "tests/runner.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(blocks_are_taken_published_exchanged_and_freed)
{
	struct handle *handle = begin();

	for (unsigned round = 0; round < 20; round++)
		for (unsigned i = 0; i < SLOTS; i++)
			ck_assert_int_eq(put(handle, i, 16 + (i * 37 + round * 511) % 9000), 0);
	verify(handle);
	ck_assert_int_eq(space_flush(&handle->space), 0);
	ck_assert_uint_eq(check(handle).used_blocks, SLOTS);
	for (unsigned i = 0; i < SLOTS; i++)
		ck_assert_int_eq(put(handle, i, 0), 0);
	space_close(&handle->space);
	EXACT(handle);
	ck_assert_uint_eq(check(handle).used_blocks, 0);
	end(handle);
}
END_TEST

START_TEST(a_session_that_only_reads_gives_back_what_it_has_removed)
{
	static const struct space_change nothing;
	struct op batch[SPACE_PREPARE_MAX];
	struct handle *handle = begin();

	ck_assert_int_eq(put(handle, 0, 700000), 0);
	ck_assert_int_eq(put(handle, 0, 0), 0);
	for (unsigned i = 0; i < 20; i++) {
		unsigned count = space_prepare(&handle->space, &nothing, batch);

		if (count == 0)
			continue;
		ck_assert_int_eq(session_execute(&handle->object, batch, count), 0);
		space_executed(&handle->space, batch);
	}
	ck_assert_uint_eq(check(handle).used_blocks, 0);
	end(handle);
}
END_TEST

START_TEST(memory_is_used_again_whatever_it_was_used_for)
{
	struct dso_session *keeper = open_session();
	struct handle *handle = begin();
	struct space_tally first, last;

	for (unsigned round = 0; round < 60; round++) {
		static const uint64_t lengths[] = {30, 200, 1000, 5000, 70000, 700000, 2100};

		for (unsigned i = 0; i < 8; i++)
			ck_assert_int_eq(put(handle, i, lengths[round % 7]), 0);
		for (unsigned i = 0; i < 8; i++)
			ck_assert_int_eq(put(handle, i, 0), 0);
		if (round == 6)
			ck_assert_int_eq(space_count(&handle->space, &first), 0);
	}
	ck_assert_int_eq(space_count(&handle->space, &last), 0);
	ck_assert_uint_le(last.bytes, 2 * first.bytes);
	space_close(&handle->space);
	EXACT(handle);
	end(handle);
	delete_object();
	dso_close(keeper);
}
END_TEST

/* What a session does that ends in the middle: of everything a little. */
static int play(struct handle *handle)
{
	static const uint64_t lengths[] = {40, 300, 300, 1500, 9000, 40, 70000, 2300, 100, 5000};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < 10; i++)
		r = put(handle, i, lengths[i]);
	for (unsigned i = 0; r == 0 && i < 10; i++)
		r = put(handle, 9 - i, lengths[i]);
	for (unsigned i = 0; r == 0 && i < 10; i += 2)
		r = put(handle, i, 0);
	/* A span that is consumed, and one that is found again. */
	for (unsigned i = 10; r == 0 && i < 50; i++)
		r = put(handle, i % 20, 1300);
	for (unsigned i = 0; r == 0 && i < 6; i++)
		r = put(handle, i, 30000);
	for (unsigned i = 0; r == 0 && i < 20; i++)
		r = put(handle, i, 0);
	for (unsigned i = 0; r == 0 && i < 4; i++)
		r = put(handle, i, 12000);
	space_close(&handle->space);
	return r;
}

/* Somebody else's blocks, which must stay. */
static void prepare_others(void)
{
	struct handle *handle = begin();

	for (unsigned i = 0; i < 60; i++)
		ck_assert_int_eq(put(handle, i, 64 + 50 * i), 0);
	for (unsigned i = 0; i < 60; i += 3)
		ck_assert_int_eq(put(handle, i, 0), 0);
	end(handle);
}

/* Let a session play until it has executed @limit operations, and end. Returns how many it has. */
static uint64_t play_until(uint64_t limit)
{
	struct handle *handle = begin();
	uint64_t executed;
	int r;

	handle->steered->executed = 0;
	handle->steered->limit = limit;
	r = play(handle);
	executed = handle->steered->executed;
	ck_assert(r == 0 || (object_session_is_over(r) && executed == limit));
	die(handle);
	return executed;
}

static void recover_and_check(void)
{
	struct handle *handle = begin();
	uint32_t lease;

	ck_assert_int_eq(space_lease(&handle->space, &lease), 0);
	space_close(&handle->space);
	EXACT(handle);
	verify(handle);
	/* And everything can be used. */
	ck_assert_int_eq(play(handle), 0);
	EXACT(handle);
	end(handle);
}

START_TEST(a_session_that_ends_before_any_operation_leaves_nothing_behind)
{
	struct dso_session *keeper = open_session();
	uint64_t all = 0;

	for (uint64_t limit = 0; limit <= all || all == 0; limit += step_stride()) {
		uint64_t executed;

		prepare_others();
		executed = play_until(all ? limit : UINT64_MAX);
		recover_and_check();
		delete_object();
		if (all == 0) {
			all = executed;
			limit = 0;
		}
	}
	printf("# %ju operations\n", (uintmax_t)all);
	dso_close(keeper);
}
END_TEST

START_TEST(a_recovery_that_ends_before_any_operation_is_begun_again)
{
	struct dso_session *keeper = open_session();

	for (uint64_t limit = 5, step = 0; limit < 1200;
	     limit += 83 * step_stride() + step % 5, step++) {
		for (uint64_t second = 0;; second += 1 + step % 2) {
			struct handle *handle;
			uint32_t lease;
			int r;

			prepare_others();
			play_until(limit);
			handle = begin();
			handle->steered->executed = 0;
			handle->steered->limit = second;
			r = space_lease(&handle->space, &lease);
			die(handle);
			recover_and_check();
			delete_object();
			if (r == 0)
				break;
		}
	}
	dso_close(keeper);
}
END_TEST

/* ---- a full arena ---- */

static unsigned grows_left;
static const struct directory_ops *directory;
static struct directory_ops full;

static int grow_until_full(struct dso_session *session, struct object *object, unsigned number,
			   uint64_t bytes, struct directory_extent *extents, unsigned *ret_count,
			   char *reason, size_t reason_bytes)
{
	int r = directory->grow(session, object, number, 0, extents, ret_count, reason,
				reason_bytes);

	if (r || *ret_count || bytes == 0)
		return r;
	if (grows_left == 0)
		return -ENOSPC;
	grows_left--;
	return directory->grow(session, object, number, bytes, extents, ret_count, reason,
			       reason_bytes);
}

START_TEST(an_arena_that_is_full_at_any_time_loses_nothing)
{
	struct dso_session *keeper = open_session();
	unsigned refused = 0;
	int r = -ENOSPC;

	for (unsigned limit = 0; r; limit++) {
		struct handle *handle = begin();

		directory = handle->object.session->directory;
		full = *directory;
		full.grow = grow_until_full;
		handle->object.session->directory = &full;
		grows_left = limit;
		r = play(handle);
		ck_assert(r == 0 || r == -ENOSPC);
		refused += r == -ENOSPC;
		handle->object.session->directory = directory;
		EXACT(handle);
		verify(handle);
		ck_assert_int_eq(play(handle), 0);
		EXACT(handle);
		end(handle);
		delete_object();
	}
	ck_assert_uint_ge(refused, 3);
	dso_close(keeper);
}
END_TEST

/* What a session has that ended is found before the arena is called full. */
START_TEST(what_sessions_left_behind_is_found_before_the_arena_is_called_full)
{
	struct dso_session *keeper = open_session();
	struct handle *handle = begin(), *dead[8];
	unsigned full_slots = 0;
	uint32_t lease;

	/* It is a member, and recovers nothing by joining. */
	ck_assert_int_eq(space_lease(&handle->space, &lease), 0);
	for (unsigned i = 0; i < 8; i++) {
		struct space_block block;

		dead[i] = begin();
		ck_assert_int_eq(space_take(&dead[i]->space, 60000, &block), 0);
	}
	directory = handle->object.session->directory;
	full = *directory;
	full.grow = grow_until_full;
	handle->object.session->directory = &full;
	grows_left = 0;
	while (put(handle, full_slots, 60000) == 0)
		full_slots++;
	ck_assert_uint_lt(full_slots, SLOTS);
	for (unsigned i = 0; i < 8; i++) {
		die(dead[i]);
		ck_assert_int_eq(put(handle, full_slots++, 60000), 0);
		ck_assert_int_eq(put(handle, full_slots, 60000), -ENOSPC);
	}
	handle->object.session->directory = directory;
	space_close(&handle->space);
	EXACT(handle);
	end(handle);
	delete_object();
	dso_close(keeper);
}
END_TEST

START_TEST(as_many_sessions_change_it_as_it_has_members)
{
	struct dso_session *keeper = open_session();
	struct handle *handles[MEMBERS + 1];
	struct space_block block;
	uint32_t leases[MEMBERS];
	bool is_over;

	for (unsigned i = 0; i <= MEMBERS; i++)
		handles[i] = begin();
	for (unsigned i = 0; i < MEMBERS; i++) {
		ck_assert_int_eq(space_lease(&handles[i]->space, &leases[i]), 0);
		for (unsigned j = 0; j < i; j++)
			ck_assert_uint_ne(leases[i], leases[j]);
	}
	ck_assert_int_eq(space_take(&handles[MEMBERS]->space, 100, &block), -EUSERS);
	ck_assert_ptr_nonnull(strstr(handles[MEMBERS]->space.reason, "(64)"));
	ck_assert_int_eq(space_lease_is_over(&handles[0]->space, leases[7], &is_over), 0);
	ck_assert(!is_over);
	die(handles[7]);
	ck_assert_int_eq(space_lease_is_over(&handles[0]->space, leases[7], &is_over), 0);
	ck_assert(is_over);
	ck_assert_int_eq(space_take(&handles[MEMBERS]->space, 100, &block), 0);
	ck_assert_int_eq(space_lease_is_over(&handles[0]->space, leases[7], &is_over), 0);
	ck_assert(is_over);
	space_give(&handles[MEMBERS]->space, &block);
	for (unsigned i = 0; i <= MEMBERS; i++)
		if (i != 7)
			end(handles[i]);
	delete_object();
	dso_close(keeper);
}
END_TEST

/* ---- many ---- */

static uint64_t random_length(unsigned *seed)
{
	static const unsigned most[] = {64, 300, 2000, 9000, 100000};

	return 16 + (unsigned)rand_r(seed) % most[rand_r(seed) % 5];
}

START_TEST(random_histories_of_several_sessions_lose_nothing)
{
	const char *given = getenv("DSO_TEST_SEED");
	unsigned seed = given ? (unsigned)atoi(given) : 7;
	struct dso_session *keeper = open_session();
	struct handle *handles[5] = {NULL};

	for (unsigned step = 0; step < 40000 / step_stride(); step++) {
		struct handle **handle = &handles[rand_r(&seed) % 5];
		unsigned what = (unsigned)rand_r(&seed) % 1000;
		int r;

		if (!*handle) {
			*handle = begin();
		} else if (what < 2) {
			end_or_die(*handle);
			*handle = NULL;
		} else if (what < 5) {
			(*handle)->steered->limit =
				(*handle)->steered->executed + (unsigned)rand_r(&seed) % 200;
		} else {
			r = put(*handle, (unsigned)rand_r(&seed) % SLOTS,
				rand_r(&seed) % 4 ? random_length(&seed) : 0);
			ck_assert_msg(r == 0 || object_session_is_over(r), "%d", r);
			if (r) {
				die(*handle);
				*handle = NULL;
			}
		}
		if (step % 4000 == 3999) {
			struct handle *last;

			for (unsigned i = 0; i < 5; i++) {
				if (handles[i])
					end_or_die(handles[i]);
				handles[i] = NULL;
			}
			last = begin();
			recover_all(last);
			EXACT(last);
			verify(last);
			end(last);
		}
	}
	delete_object();
	dso_close(keeper);
}
END_TEST

#define THREADS 16

/* Sessions that begin, change the object, and end in the middle of something. */
static void *run(void *context)
{
	unsigned seed = (unsigned)(uintptr_t)context;
	struct handle *handle = begin();

	for (unsigned step = 0; step < 2000; step++) {
		int r = put(handle, (unsigned)rand_r(&seed) % SLOTS,
			    rand_r(&seed) % 4 ? random_length(&seed) : 0);

		ck_assert_msg(r == 0 || object_session_is_over(r), "%d", r);
		if (r) {
			die(handle);
			handle = begin();
		} else if (rand_r(&seed) % 100 == 0) {
			handle->steered->limit =
				handle->steered->executed + (unsigned)rand_r(&seed) % 500;
		}
	}
	end_or_die(handle);
	return NULL;
}

START_TEST(sixteen_sessions_at_once_of_which_some_end_lose_nothing)
{
	struct dso_session *keeper = open_session();
	pthread_t threads[THREADS];
	struct handle *handle;

	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(i + 1)),
				 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	handle = begin();
	recover_all(handle);
	EXACT(handle);
	verify(handle);
	end(handle);
	delete_object();
	dso_close(keeper);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("space");
	TCase *tests = tcase_create("space");

	tcase_add_test(tests, blocks_are_taken_published_exchanged_and_freed);
	tcase_add_test(tests, a_session_that_only_reads_gives_back_what_it_has_removed);
	tcase_add_test(tests, memory_is_used_again_whatever_it_was_used_for);
	tcase_add_test(tests, a_session_that_ends_before_any_operation_leaves_nothing_behind);
	tcase_add_test(tests, a_recovery_that_ends_before_any_operation_is_begun_again);
	tcase_add_test(tests, an_arena_that_is_full_at_any_time_loses_nothing);
	tcase_add_test(tests, what_sessions_left_behind_is_found_before_the_arena_is_called_full);
	tcase_add_test(tests, as_many_sessions_change_it_as_it_has_members);
	tcase_add_test(tests, random_histories_of_several_sessions_lose_nothing);
	tcase_add_test(tests, sixteen_sessions_at_once_of_which_some_end_lose_nothing);
	tcase_set_timeout(tests, 300);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
