/* SPDX-License-Identifier: Apache-2.0 */
/* Waiters that park, are woken and are given words, on a clock of the test's own. */
#include "lib/core/waitlist.h"
#include "proto/layout.h"
#include "tests/runner.h"

#include <errno.h>

#define OBJECT   128
#define OTHER    256 /* another object */
#define WORD     8   /* offset of the word in its object */
#define OWNER    7   /* has the word at first */
#define WAITERS  200
#define PAUSE_NS 1000
/* what an owner is told of waiters that want to own its word */
#define QUEUE   (OWNED_WAITED | OWNED_QUEUED)
#define HOUR_NS INT64_C(3600000000000)

/* ---- the waiters ---- */

struct waiter {
	struct parked parked;
	/* its last answer, and how many there were */
	enum wait_end end;
	uint64_t taken;
	unsigned answers;
	/* its place among the answers of all, from 1 on */
	unsigned turn;
	/* what the watch was told: how often, and the last value */
	unsigned watches;
	uint64_t watched;
};

static uint64_t memory[64], other_memory[64];
static struct transport *transport, *other_transport;
static struct waitlist list;
static struct waiter waiters[WAITERS];
static unsigned turns;
static int error;
static int64_t now_ns;

static struct waiter *waiter_of(struct parked *parked)
{
	return container_of(parked, struct waiter, parked);
}

static void answer(struct waitlist *to, struct parked *parked, enum wait_end end, uint64_t taken)
{
	struct waiter *waiter = waiter_of(parked);

	ck_assert_ptr_eq(to, &list);
	ck_assert(!waitlist_is_parked(parked));
	waiter->end = end;
	waiter->taken = taken;
	waiter->answers++;
	waiter->turn = ++turns;
}

static void watch(struct waitlist *to, struct parked *parked, uint64_t value, int64_t at_ns)
{
	ck_assert_ptr_eq(to, &list);
	ck_assert_int_eq(at_ns, now_ns);
	waiter_of(parked)->watches++;
	waiter_of(parked)->watched = value;
}

static void failed(int r)
{
	error = r;
}

static const struct waitlist_ops ops = {.answer = answer, .watch = watch, .failed = failed};

static uint64_t *word_of(uint64_t object)
{
	return &memory[(object + WORD) / 8];
}

static void setup(void)
{
	now_ns = HOUR_NS;
	turns = 0;
	error = 0;
	memset(memory, 0, sizeof memory);
	memset(other_memory, 0, sizeof other_memory);
	memset(waiters, 0, sizeof waiters);
	for (unsigned i = 0; i < WAITERS; i++)
		parked_init(&waiters[i].parked);
	ck_assert_int_eq(transport_cpu_open(memory, sizeof memory, &transport), 0);
	ck_assert_int_eq(transport_cpu_open(other_memory, sizeof other_memory, &other_transport),
			 0);
	/* One bucket: what is told apart is told apart by more than that. */
	ck_assert_int_eq(waitlist_open(&list, &ops, 1, PAUSE_NS), 0);
	*word_of(OBJECT) = owned_word(5, OWNER);
	*word_of(OTHER) = owned_word(5, OWNER);
}

static void teardown(void)
{
	waitlist_close(&list);
	transport_ops(transport)->close(transport);
	transport_ops(other_transport)->close(other_transport);
}

static uint16_t owner_of(unsigned i)
{
	return (uint16_t)(100 + i);
}

/* Waiter @i parks to own the word of @object. */
static void take_of(unsigned i, uint64_t object, bool again)
{
	struct park park = {.offset = WORD,
			    .until = CONTROL_WAIT_TAKEN,
			    .expected = OWNED_LOST,
			    .owner = owner_of(i),
			    .flags = QUEUE,
			    .grant = OWNED_GRANTED,
			    .again = again};

	waitlist_wait(&list, &waiters[i].parked, transport, object, &park, now_ns);
}

static void take(unsigned i)
{
	take_of(i, OBJECT, false);
}

/* Waiter @i parks for as long as the word is 5, for @share of a wake-up. */
static void wait_for_change(unsigned i, uint16_t share, bool again)
{
	struct park park = {.offset = WORD,
			    .until = CONTROL_WAIT_CHANGED,
			    .expected = 5,
			    .share = share,
			    .again = again};

	waitlist_wait(&list, &waiters[i].parked, transport, OBJECT, &park, now_ns);
}

static uint32_t wake_at(uint64_t object, uint32_t count, bool is_watched)
{
	struct waitlist_word at = {transport, object, object + WORD};
	struct waitlist_wake wake = {
		.count = count, .waiters_max = UINT32_MAX, .is_watched = is_watched};

	return waitlist_wake(&list, &at, wake, now_ns);
}

/* Its owner releases the word, and wakes one. Returns how many were woken. */
static uint32_t release_of(uint64_t object)
{
	uint64_t *word = word_of(object);

	*word = owned_word_without_owner(*word) & ~(uint64_t)(OWNED_WAITED | OWNED_GRANTED);
	return wake_at(object, 1, false);
}

static uint32_t release(void)
{
	return release_of(OBJECT);
}

static void end_pause(void)
{
	now_ns = waitlist_due_ns(&list);
	ck_assert_int_ne(now_ns, INT64_MAX);
	waitlist_end_pauses(&list, now_ns);
}

static bool is_parked(unsigned i)
{
	return waitlist_is_parked(&waiters[i].parked);
}

static void assert_given_to(unsigned i, uint64_t flags)
{
	uint64_t word = *word_of(waiters[i].parked.at.object);

	ck_assert(!is_parked(i));
	ck_assert_int_eq(waiters[i].end, WAIT_TAKEN);
	ck_assert_uint_eq(waiters[i].taken, word);
	ck_assert_uint_eq(owned_word_owner(word), owner_of(i));
	ck_assert_uint_eq(word & UINT8_MAX, OWNED_GRANTED | flags);
}

/* ---- order ---- */

START_TEST(a_word_is_given_to_its_waiters_in_the_order_in_which_they_parked)
{
	for (unsigned i = 0; i < 4; i++)
		take(i);
	ck_assert_uint_eq(*word_of(OBJECT), owned_word(5, OWNER) | QUEUE);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(release(), 1);
		assert_given_to(i, i < 3 ? QUEUE : 0);
		ck_assert_uint_eq(owned_word_token(*word_of(OBJECT)), 6 + i);
		for (unsigned j = i + 1; j < 4; j++)
			ck_assert(is_parked(j));
		now_ns += PAUSE_NS;
		waitlist_end_pauses(&list, now_ns);
	}
	ck_assert_uint_eq(release(), 0);
	ck_assert_uint_eq(list.parked_count, 0);
}
END_TEST

START_TEST(a_waiter_that_was_woken_in_vain_keeps_its_place)
{
	*word_of(OBJECT) = 5;
	for (unsigned i = 0; i < 3; i++)
		wait_for_change(i, 1, false);
	ck_assert_uint_eq(wake_at(OBJECT, 1, false), 1);
	ck_assert(!is_parked(0));
	wait_for_change(0, 1, true);
	ck_assert_uint_eq(wake_at(OBJECT, 1, false), 1);
	ck_assert(!is_parked(0) && is_parked(1));
	/* A new wait of the same waiter is the last. */
	wait_for_change(0, 1, false);
	ck_assert_uint_eq(wake_at(OBJECT, 2, false), 2);
	ck_assert(is_parked(0) && !is_parked(1) && !is_parked(2));
}
END_TEST

START_TEST(a_waiter_has_no_place_to_keep_at_another_word)
{
	struct park park = {.offset = WORD, .expected = 0, .until = CONTROL_WAIT_CHANGED};

	take_of(0, OTHER, false);
	waitlist_wait(&list, &waiters[1].parked, other_transport, OBJECT, &park, now_ns);
	take(2);
	for (unsigned i = 0; i < 2; i++) {
		waitlist_remove(&waiters[i].parked);
		take_of(i, OBJECT, true);
	}
	release();
	assert_given_to(2, QUEUE);
	ck_assert(is_parked(0) && is_parked(1));
}
END_TEST

START_TEST(waiters_of_other_words_objects_and_regions_are_not_woken)
{
	struct park park = {.offset = WORD, .expected = 0, .until = CONTROL_WAIT_CHANGED};
	struct park beside = {.offset = WORD + 8, .until = CONTROL_WAIT_CHANGED};

	take_of(0, OTHER, false);
	waitlist_wait(&list, &waiters[2].parked, transport, OBJECT, &beside, now_ns);
	waitlist_wait(&list, &waiters[1].parked, other_transport, OBJECT, &park, now_ns);
	ck_assert_uint_eq(release(), 0);
	ck_assert(is_parked(2));
	waitlist_wake_object(&list, transport, OBJECT);
	waitlist_recheck(&list, transport, OBJECT);
	ck_assert(is_parked(0) && is_parked(1) && !is_parked(2));
	waitlist_wake_object(&list, other_transport, OBJECT);
	ck_assert(is_parked(0) && !is_parked(1));
}
END_TEST

/* ---- pauses ---- */

START_TEST(a_word_is_not_given_away_again_before_its_pause_is_over)
{
	ck_assert_int_eq(waitlist_due_ns(&list), INT64_MAX);
	for (unsigned i = 0; i < 2; i++)
		take(i);
	ck_assert_int_eq(waitlist_due_ns(&list), INT64_MAX);
	release();
	assert_given_to(0, QUEUE);
	ck_assert_int_eq(waitlist_due_ns(&list), now_ns + PAUSE_NS);
	now_ns += PAUSE_NS - 1;
	waitlist_end_pauses(&list, now_ns);
	ck_assert_uint_eq(release(), 0);
	/* One that comes in the pause parks, though the word is free. */
	take(2);
	ck_assert(is_parked(1) && is_parked(2));
	ck_assert_uint_eq(owned_word_owner(*word_of(OBJECT)), 0);
	end_pause();
	assert_given_to(1, QUEUE);
	ck_assert(is_parked(2));
	/* That is a hand-over, too. */
	ck_assert_int_eq(waitlist_due_ns(&list), now_ns + PAUSE_NS);
}
END_TEST

START_TEST(behind_a_pause_the_owner_of_a_word_is_told_of_its_waiters)
{
	for (unsigned i = 0; i < 2; i++)
		take(i);
	release();
	/* Somebody else took it, without the flag. */
	*word_of(OBJECT) = owned_word(9, OWNER);
	end_pause();
	ck_assert_uint_eq(*word_of(OBJECT), owned_word(9, OWNER) | QUEUE);
	ck_assert(is_parked(1));
	ck_assert_int_eq(waitlist_due_ns(&list), INT64_MAX);
	ck_assert_uint_eq(release(), 1);
	assert_given_to(1, 0);
}
END_TEST

START_TEST(a_pause_that_nobody_waits_in_ends_all_the_same)
{
	take(0);
	release();
	assert_given_to(0, 0);
	end_pause();
	ck_assert_int_eq(waitlist_due_ns(&list), INT64_MAX);
	release();
	take(1);
	assert_given_to(1, 0);
}
END_TEST

/* A bucket has room for one pause. */
START_TEST(another_word_is_given_away_beside_a_pause)
{
	for (unsigned i = 0; i < 2; i++)
		take(i);
	for (unsigned i = 2; i < 5; i++)
		take_of(i, OTHER, false);
	release();
	assert_given_to(0, QUEUE);
	for (unsigned i = 2; i < 5; i++) {
		ck_assert_uint_eq(release_of(OTHER), 1);
		assert_given_to(i, i < 4 ? QUEUE : 0);
	}
	ck_assert(is_parked(1));
	release();
	end_pause();
	assert_given_to(1, 0);
}
END_TEST

START_TEST(the_first_waiter_of_a_word_in_a_pause_can_keep_the_time)
{
	struct waitlist_word at = {transport, OBJECT, OBJECT + WORD};
	int64_t due_ns = 0;

	for (unsigned i = 0; i < 3; i++)
		take(i);
	ck_assert_ptr_null(waitlist_first_in_pause(&list, &at, &due_ns));
	release();
	ck_assert_ptr_eq(waitlist_first_in_pause(&list, &at, &due_ns), &waiters[1].parked);
	ck_assert_int_eq(due_ns, now_ns + PAUSE_NS);
	waitlist_remove(&waiters[1].parked);
	ck_assert_ptr_eq(waitlist_first_in_pause(&list, &at, &due_ns), &waiters[2].parked);
	waitlist_remove(&waiters[2].parked);
	ck_assert_ptr_null(waitlist_first_in_pause(&list, &at, &due_ns));
}
END_TEST

/* ---- who is woken beside the first ---- */

START_TEST(where_a_word_is_nobodys_any_more_all_its_waiters_are_woken)
{
	for (unsigned i = 0; i < 3; i++)
		take(i);
	*word_of(OBJECT) |= OWNED_LOST;
	ck_assert_uint_eq(release(), 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_int_eq(waiters[i].end, WAIT_WOKEN);
		ck_assert_uint_eq(waiters[i].taken, 0);
		ck_assert_uint_eq(waiters[i].turn, i + 1);
	}
}
END_TEST

START_TEST(where_another_client_was_quicker_the_waiters_stay_and_it_is_told)
{
	for (unsigned i = 0; i < 2; i++)
		take(i);
	*word_of(OBJECT) = owned_word(9, OWNER);
	ck_assert_uint_eq(wake_at(OBJECT, 1, false), 0);
	ck_assert(is_parked(0) && is_parked(1));
	ck_assert_uint_eq(*word_of(OBJECT), owned_word(9, OWNER) | QUEUE);
}
END_TEST

START_TEST(a_wake_up_has_shares_and_passes_by_a_waiter_that_wants_more)
{
	*word_of(OBJECT) = 5;
	wait_for_change(0, 3, false);
	for (unsigned i = 1; i < WAITERS; i++)
		wait_for_change(i, 1, false);
	ck_assert_uint_eq(wake_at(OBJECT, 2, false), 2);
	ck_assert(is_parked(0) && !is_parked(1) && !is_parked(2) && is_parked(3));
	for (unsigned i = 2; i < PARK_PASSES_MAX; i++) {
		ck_assert_uint_eq(wake_at(OBJECT, 1, false), 1);
		ck_assert(is_parked(0));
	}
	/* It learns of the wake-ups, and takes nothing from the others. */
	ck_assert_uint_eq(wake_at(OBJECT, 1, false), 2);
	ck_assert(!is_parked(0));
	wait_for_change(0, 3, true);
	ck_assert_uint_eq(wake_at(OBJECT, 1, false), 1);
	ck_assert(is_parked(0));
	ck_assert_uint_eq(wake_at(OBJECT, 4, false), 2);
	ck_assert(!is_parked(0));
}
END_TEST

START_TEST(a_wake_up_wakes_no_more_than_it_may)
{
	struct waitlist_word at = {transport, OBJECT, OBJECT + WORD};
	struct waitlist_wake wake = {.count = UINT32_MAX, .waiters_max = 2};

	*word_of(OBJECT) = 5;
	for (unsigned i = 0; i < 3; i++)
		wait_for_change(i, 0, false);
	ck_assert_uint_eq(waitlist_wake(&list, &at, wake, now_ns), 2);
	ck_assert(is_parked(2));
}
END_TEST

START_TEST(what_was_given_is_watched_and_a_wake_up_where_it_is_asked_for)
{
	take(0);
	release();
	ck_assert_uint_eq(waiters[0].watches, 1);
	ck_assert_uint_eq(waiters[0].watched, *word_of(OBJECT));
	*word_of(OBJECT) = 5;
	wait_for_change(1, 1, false);
	wait_for_change(2, 1, false);
	wake_at(OBJECT, 1, true);
	wake_at(OBJECT, 1, false);
	ck_assert_uint_eq(waiters[1].watches, 1);
	ck_assert_uint_eq(waiters[1].watched, 0);
	ck_assert_uint_eq(waiters[2].watches, 0);
}
END_TEST

/* ---- looking ---- */

START_TEST(a_waiter_that_has_nothing_to_wait_for_does_not_park)
{
	*word_of(OBJECT) = 6;
	wait_for_change(0, 1, false);
	ck_assert(!is_parked(0));
	ck_assert_int_eq(waiters[0].end, WAIT_CHANGED);
	*word_of(OBJECT) = owned_word(5, 0);
	take(1);
	assert_given_to(1, 0);
}
END_TEST

/* More than are looked at in one go. */
START_TEST(those_whose_word_has_changed_are_woken_when_it_is_looked_at_again)
{
	*word_of(OBJECT) = 5;
	for (unsigned i = 0; i < WAITERS; i++) {
		if (i % 3 == 0)
			take_of(i, OTHER, false);
		else
			wait_for_change(i, 1, false);
	}
	waitlist_recheck(&list, transport, OBJECT);
	ck_assert_uint_eq(turns, 0);
	*word_of(OBJECT) = 6;
	waitlist_recheck(&list, transport, OBJECT);
	for (unsigned i = 0; i < WAITERS; i++)
		ck_assert(is_parked(i) == (i % 3 == 0));
	ck_assert_uint_eq(list.parked_count, (WAITERS + 2) / 3);
	/* Its owner knows of them. */
	waitlist_recheck(&list, transport, OTHER);
	ck_assert(is_parked(0));
	*word_of(OTHER) &= ~(uint64_t)OWNED_WAITED;
	waitlist_recheck(&list, transport, OTHER);
	ck_assert(!is_parked(0));
	ck_assert_int_eq(waiters[0].end, WAIT_WOKEN);
}
END_TEST

/* ---- sums ---- */

/* Waiter @i parks for a sum of @words words of OBJECT, one a line. */
static void wait_for_sum(unsigned i, enum control_wait_until until, int64_t expected,
			 uint16_t words)
{
	struct park park = {.until = until, .expected = (uint64_t)expected, .words = words};

	waitlist_wait(&list, &waiters[i].parked, transport, OBJECT, &park, now_ns);
}

static void look_at(int64_t at_ns)
{
	now_ns = at_ns;
	waitlist_look(&list, now_ns);
}

START_TEST(a_waiter_for_a_sum_is_answered_at_the_first_look_after_the_sum_was_reached)
{
	uint64_t *first = &memory[OBJECT / 8], *second = first + LAYOUT_LINE_BYTES / 8;

	*first = 0;
	wait_for_sum(0, CONTROL_WAIT_SUM_LEAST, 3, 2);
	wait_for_sum(1, CONTROL_WAIT_SUM_OTHER, 0, 2);
	wait_for_sum(2, CONTROL_WAIT_SUM_LEAST, -1, 2);
	ck_assert(is_parked(0) && is_parked(1));
	ck_assert_int_eq(waiters[2].end, WAIT_CHANGED);
	ck_assert_int_gt(waitlist_look_due_ns(&list), now_ns);
	ck_assert_int_le(waitlist_look_due_ns(&list), now_ns + WAITLIST_LOOK_NS);
	look_at(waitlist_look_due_ns(&list));
	ck_assert(is_parked(0) && is_parked(1));
	*second = 5;
	*first = (uint64_t)-3;
	look_at(waitlist_look_due_ns(&list) - 1);
	ck_assert(is_parked(1));
	look_at(waitlist_look_due_ns(&list));
	ck_assert(is_parked(0));
	ck_assert_int_eq(waiters[1].end, WAIT_WOKEN);
	*second = 6;
	look_at(waitlist_look_due_ns(&list));
	ck_assert_int_eq(waiters[0].end, WAIT_WOKEN);
	ck_assert_int_eq(waitlist_look_due_ns(&list), INT64_MAX);
}
END_TEST

START_TEST(no_look_comes_later_than_an_eighth_of_the_wait_and_the_longest_distance)
{
	const int64_t longest_ns = WAITLIST_LOOK_NS << (WAITLIST_LOOK_LEVELS - 1);
	int64_t begin_ns = now_ns, due_ns, apart_ns = 0;

	*word_of(OBJECT) = 0;
	wait_for_sum(0, CONTROL_WAIT_SUM_OTHER, 0, 1);
	for (unsigned looks = 0; looks < 1000; looks++) {
		due_ns = waitlist_look_due_ns(&list);
		apart_ns = due_ns - now_ns;
		ck_assert_int_gt(apart_ns, 0);
		ck_assert_int_le(apart_ns, longest_ns);
		ck_assert_int_le(apart_ns, 2 * WAITLIST_LOOK_NS + (now_ns - begin_ns) / 8);
		look_at(due_ns);
	}
	ck_assert_int_eq(apart_ns, longest_ns);
	ck_assert(is_parked(0));
}
END_TEST

START_TEST(waiters_for_sums_are_looked_at_together_and_so_many_in_a_call)
{
	int64_t due_ns;
	unsigned calls = 0;

	memset(memory, 0, sizeof memory);
	/* They have come one after another, and none is passed by for the others. */
	for (unsigned i = 0; i < WAITERS; i++) {
		now_ns += 7;
		wait_for_sum(i, CONTROL_WAIT_SUM_LEAST, 1, (uint16_t)(1 + i % 6));
	}
	due_ns = waitlist_look_due_ns(&list);
	ck_assert_int_gt(due_ns, now_ns);
	memory[OBJECT / 8] = 1;
	look_at(due_ns - 1);
	ck_assert_uint_eq(turns, 0);
	while (list.parked_count) {
		ck_assert_int_eq(waitlist_look_due_ns(&list), due_ns);
		look_at(due_ns);
		calls++;
	}
	ck_assert_uint_eq(turns, WAITERS);
	ck_assert_uint_gt(calls, 1);
}
END_TEST

START_TEST(a_waiter_for_a_sum_that_leaves_is_not_looked_at_any_more)
{
	*word_of(OBJECT) = 0;
	wait_for_sum(0, CONTROL_WAIT_SUM_LEAST, 1, 1);
	waitlist_cancel(&list, &waiters[0].parked, now_ns);
	ck_assert_int_eq(waiters[0].end, WAIT_CANCELLED);
	wait_for_sum(0, CONTROL_WAIT_SUM_LEAST, 1, 1);
	waitlist_recheck(&list, transport, OBJECT);
	ck_assert(is_parked(0));
	waitlist_wake_object(&list, transport, OBJECT);
	ck_assert_int_eq(waiters[0].end, WAIT_WOKEN);
	wait_for_sum(0, CONTROL_WAIT_SUM_LEAST, 1, 1);
	waitlist_remove(&waiters[0].parked);
	ck_assert_int_eq(waitlist_look_due_ns(&list), INT64_MAX);
}
END_TEST

START_TEST(a_sum_that_cannot_be_reached_ends_the_wait_for_it)
{
	memset(memory, 0, sizeof memory);
	wait_for_sum(0, CONTROL_WAIT_SUM_LEAST, 1, PARK_WORDS_MAX);
	ck_assert_int_eq(waiters[0].end, WAIT_FAILED);
	ck_assert_int_lt(error, 0);
}
END_TEST

/* ---- versions ---- */

static void wait_for_newer(unsigned i, uint64_t version)
{
	struct park park = {.offset = WORD,
			    .until = CONTROL_WAIT_NEWER,
			    .expected = version,
			    .flags = OWNED_WAITED};

	waitlist_wait(&list, &waiters[i].parked, transport, OBJECT, &park, now_ns);
}

START_TEST(a_waiter_for_a_newer_version_sets_waited_whether_the_word_has_an_owner_or_not)
{
	wait_for_newer(0, 5);
	ck_assert_uint_eq(*word_of(OBJECT), owned_word(5, OWNER) | OWNED_WAITED);
	*word_of(OBJECT) = owned_word(5, 0);
	/* As by a sweep: who waits has to look, and sets it again. */
	waitlist_recheck(&list, transport, OBJECT);
	ck_assert_int_eq(waiters[0].end, WAIT_WOKEN);
	wait_for_newer(0, 5);
	ck_assert_uint_eq(*word_of(OBJECT), owned_word(5, 0) | OWNED_WAITED);
	wait_for_newer(1, 4);
	ck_assert_int_eq(waiters[1].end, WAIT_CHANGED);
	wait_for_newer(1, 6);
	/* The writer has published, and died before its WAKE. */
	*word_of(OBJECT) = owned_word(6, 0) | OWNED_WAITED;
	waitlist_recheck(&list, transport, OBJECT);
	ck_assert(!is_parked(0) && is_parked(1));
}
END_TEST

START_TEST(a_waiter_that_cancels_is_given_a_word_that_is_free)
{
	for (unsigned i = 0; i < 4; i++)
		take(i);
	waitlist_cancel(&list, &waiters[3].parked, now_ns);
	ck_assert_int_eq(waiters[3].end, WAIT_CANCELLED);
	release();
	release();
	/* The word is free, in a pause. */
	waitlist_cancel(&list, &waiters[2].parked, now_ns);
	assert_given_to(2, QUEUE);
	waitlist_cancel(&list, &waiters[2].parked, now_ns);
	ck_assert_uint_eq(waiters[2].answers, 1);
	ck_assert(is_parked(1));
	waitlist_cancel(&list, &waiters[1].parked, now_ns);
	ck_assert_int_eq(waiters[1].end, WAIT_CANCELLED);
	/* Newcomers may spin again. */
	ck_assert(!(*word_of(OBJECT) & OWNED_QUEUED));
}
END_TEST

START_TEST(a_word_that_cannot_be_reached_ends_the_wait_for_it)
{
	struct park park = {.offset = sizeof memory, .until = CONTROL_WAIT_GIVEN_BACK};

	waitlist_wait(&list, &waiters[0].parked, transport, OBJECT, &park, now_ns);
	ck_assert(!is_parked(0));
	ck_assert_int_eq(waiters[0].end, WAIT_FAILED);
	ck_assert_int_lt(error, 0);
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, a_word_is_given_to_its_waiters_in_the_order_in_which_they_parked);
	tcase_add_test(tests, a_waiter_that_was_woken_in_vain_keeps_its_place);
	tcase_add_test(tests, a_waiter_has_no_place_to_keep_at_another_word);
	tcase_add_test(tests, waiters_of_other_words_objects_and_regions_are_not_woken);
	tcase_add_test(tests, a_word_is_not_given_away_again_before_its_pause_is_over);
	tcase_add_test(tests, behind_a_pause_the_owner_of_a_word_is_told_of_its_waiters);
	tcase_add_test(tests, a_pause_that_nobody_waits_in_ends_all_the_same);
	tcase_add_test(tests, another_word_is_given_away_beside_a_pause);
	tcase_add_test(tests, the_first_waiter_of_a_word_in_a_pause_can_keep_the_time);
	tcase_add_test(tests, where_a_word_is_nobodys_any_more_all_its_waiters_are_woken);
	tcase_add_test(tests, where_another_client_was_quicker_the_waiters_stay_and_it_is_told);
	tcase_add_test(tests, a_wake_up_has_shares_and_passes_by_a_waiter_that_wants_more);
	tcase_add_test(tests, a_wake_up_wakes_no_more_than_it_may);
	tcase_add_test(tests, what_was_given_is_watched_and_a_wake_up_where_it_is_asked_for);
	tcase_add_test(tests, a_waiter_that_has_nothing_to_wait_for_does_not_park);
	tcase_add_test(tests, those_whose_word_has_changed_are_woken_when_it_is_looked_at_again);
	tcase_add_test(tests,
		       a_waiter_for_a_sum_is_answered_at_the_first_look_after_the_sum_was_reached);
	tcase_add_test(tests,
		       no_look_comes_later_than_an_eighth_of_the_wait_and_the_longest_distance);
	tcase_add_test(tests, waiters_for_sums_are_looked_at_together_and_so_many_in_a_call);
	tcase_add_test(tests, a_waiter_for_a_sum_that_leaves_is_not_looked_at_any_more);
	tcase_add_test(tests, a_sum_that_cannot_be_reached_ends_the_wait_for_it);
	tcase_add_test(
		tests,
		a_waiter_for_a_newer_version_sets_waited_whether_the_word_has_an_owner_or_not);
	tcase_add_test(tests, a_waiter_that_cancels_is_given_a_word_that_is_free);
	tcase_add_test(tests, a_word_that_cannot_be_reached_ends_the_wait_for_it);
}

int main(void)
{
	Suite *suite = suite_create("waitlist");
	TCase *tests = tcase_create("waitlist");

	tcase_add_checked_fixture(tests, setup, teardown);
	add_tests(tests);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
