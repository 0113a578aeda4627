/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sweep over a device that fails: whichever of its operations does, executed or not, the sweeps
 * that follow leave what one without a failure leaves, and say that waiters are to be woken.
 */
#include "lib/core/sweep.h"
#include "proto/layout.h"
#include "tests/runner.h"

#include <errno.h>
#include <limits.h>

#define OBJECT_BYTES 32768
#define OWNER        77

/* ---- a device that fails once ---- */

struct faulty {
	struct transport_base base;
	struct transport *device;
	unsigned failing; /* the operation that does, from 0 on */
	bool executed;    /* all the same: its outcome is unknown */
	unsigned count;   /* of operations so far */
};

static int execute(struct transport *transport, struct op *op)
{
	struct faulty *faulty = (struct faulty *)transport;
	bool fails = faulty->count++ == faulty->failing;
	int r = fails && !faulty->executed ? 0 : transport_execute(faulty->device, op, 1);

	return fails ? -ECONNRESET : r;
}

static const struct transport_ops faulty_ops = {.name = "faulty", .execute = execute};

/* ---- what an ended session was in ---- */

static const struct row {
	enum object_type type;
	uint64_t parameters[4];
	bool died;
	struct {
		uint64_t offset, value;
	} words[3];
	uint64_t event; /* may be counted up more than once; 0: there is none */
} rows[] = {
	{.type = OBJECT_BARRIER,
	 .parameters = {3},
	 .died = true,
	 .words = {{BARRIER_WORD_OFFSET, BARRIER_ARRIVAL},
		   {BARRIER_PARTY_OFFSET(OWNER), BARRIER_PARTY(OWNER) | BARRIER_PARTY(OWNER + 1)}},
	 .event = BARRIER_EVENT_OFFSET},
	{.type = OBJECT_BARRIER,
	 .parameters = {3},
	 .words = {{BARRIER_PARTY_OFFSET(OWNER), BARRIER_PARTY(OWNER)}},
	 .event = BARRIER_EVENT_OFFSET},
	{.type = OBJECT_MUTEX,
	 .died = true,
	 .words = {{MUTEX_WORD_OFFSET, (5 << 24 | OWNER << 8) | OWNED_WAITED}}},
	{.type = OBJECT_MUTEX, .words = {{MUTEX_WORD_OFFSET, 5 << 24 | OWNER << 8}}},
	{.type = OBJECT_RWLOCK,
	 .parameters = {4},
	 .died = true,
	 .words = {{RWLOCK_SLOT_OFFSET(1), 5 << 24 | OWNER << 8},
		   {RWLOCK_SLOT_OFFSET(3), 6 << 24 | OWNER << 8}}},
	{.type = OBJECT_SEMAPHORE,
	 .parameters = {100},
	 .words = {{SEMAPHORE_PERMIT_OFFSET(2), 5 << 24 | OWNER << 8},
		   {SEMAPHORE_PERMIT_OFFSET(99), 6 << 24 | OWNER << 8},
		   {SEMAPHORE_TURN_OFFSET, 7 << 24 | OWNER << 8}},
	 .event = SEMAPHORE_EVENT_OFFSET},
	{.type = OBJECT_ONCE, .words = {{ONCE_WORD_OFFSET, 5 << 24 | OWNER << 8}}},
	{.type = OBJECT_FUTURE,
	 .died = true,
	 .words = {{FUTURE_WORD_OFFSET, 5 << 24 | OWNER << 8}}},
};

static uint64_t words[OBJECT_BYTES / 8];

/* Sweep the object of @row until all of it could be reached. Returns what the last sweep says. */
static bool sweep_with(const struct row *row, struct faulty *faulty)
{
	struct store_reference reference = {.type = row->type, .length_bytes = OBJECT_BYTES};
	struct sweep_tally tally = {0};
	bool any;

	memcpy(reference.parameters, row->parameters, sizeof reference.parameters);
	memset(words, 0, sizeof words);
	for (unsigned i = 0; i < 3; i++)
		words[row->words[i].offset / 8] |= row->words[i].value;
	do {
		tally = (struct sweep_tally){.again = tally.failures != 0};
		any = sweep_object((struct transport *)faulty, &reference, OWNER, row->died,
				   &tally);
	} while (tally.failures);
	return any;
}

START_TEST(a_sweep_that_failed_is_finished_by_the_next_whatever_became_of_the_operation)
{
	const struct row *row = &rows[_i];
	static uint64_t expected[OBJECT_BYTES / 8];
	struct faulty faulty = {.base = {&faulty_ops}, .failing = UINT_MAX};
	unsigned count;
	bool any;

	ck_assert_int_eq(transport_cpu_open(words, sizeof words, &faulty.device), 0);
	any = sweep_with(row, &faulty);
	count = faulty.count;
	memcpy(expected, words, sizeof words);
	for (unsigned i = 0; i < 2 * count; i++) {
		uint64_t event = row->event / 8;

		faulty.count = 0;
		faulty.failing = i / 2;
		faulty.executed = i % 2;
		ck_assert_msg(sweep_with(row, &faulty) || !any, "operation %u: nobody is woken",
			      faulty.failing);
		ck_assert_msg(words[event] >= expected[event], "operation %u: no event",
			      faulty.failing);
		words[event] = expected[event];
		ck_assert_msg(!memcmp(words, expected, sizeof words),
			      "operation %u, executed: %d: something is left", faulty.failing,
			      faulty.executed);
	}
	transport_ops(faulty.device)->close(faulty.device);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sweep");
	TCase *tcase = tcase_create("sweep");

	tcase_add_loop_test(
		tcase, a_sweep_that_failed_is_finished_by_the_next_whatever_became_of_the_operation,
		0, sizeof rows / sizeof *rows);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
