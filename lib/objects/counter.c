/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/core/clock.h"
#include "lib/objects/futex.h"
#include "lib/objects/object.h"
#include "lib/client/renew.h"
#include "proto/layout.h"

#include <errno.h>

struct dso_counter {
	struct object object;
	uint32_t stripes;
	uint64_t word; /* offset of the stripe that this session adds to */
};

static int read_all(struct dso_counter *counter, uint64_t *ret_sum)
{
	struct op ops[COUNTER_STRIPES_MAX];
	uint64_t sum = 0;
	int r;

	for (uint32_t i = 0; i < counter->stripes; i++)
		ops[i] = (struct op){.opcode = DATA_FAA,
				     .length_bytes = 8,
				     .offset = counter->object.offset + COUNTER_STRIPE_OFFSET(i)};
	r = session_execute(&counter->object, ops, counter->stripes);
	if (r)
		return r;
	for (uint32_t i = 0; i < counter->stripes; i++)
		sum += ops[i].value;
	*ret_sum = sum;
	return 0;
}

static struct op cas_of(const struct dso_counter *counter, uint64_t expected, uint64_t value)
{
	return (struct op){.opcode = DATA_CAS,
			   .length_bytes = 8,
			   .offset = counter->word,
			   .operand = expected,
			   .swap = value};
}

/* Let a moment pass, looking at the word where there is only one. Returns false when the waiter has
 * spun long enough. */
static bool spin_for(struct spin *spin, struct dso_counter *counter, uint64_t sum)
{
	return counter->stripes == 1 &&
	       spin_on(spin, &counter->object, COUNTER_STRIPE_OFFSET(0), sum);
}

/* storaged looks at the stripes while this session is parked. A last look is this session's own:
 * storaged's may be a while ago when the deadline is over. */
static int wait_for(struct dso_counter *counter, enum control_wait_until until, int64_t value,
		    int64_t deadline_ns, uint64_t *ret_sum)
{
	struct park park = {.offset = COUNTER_STRIPE_OFFSET(0),
			    .expected = (uint64_t)value,
			    .until = until,
			    .words = (uint16_t)counter->stripes};
	struct spin spin = spin_begin(counter->object.session, deadline_ns);
	uint64_t nothing;
	int waited = 0;

	for (;;) {
		int r = read_all(counter, ret_sum);

		if (r || park_sum_is_reached(&park, *ret_sum))
			return r;
		if (waited)
			return waited;
		if (spin_for(&spin, counter, *ret_sum))
			continue;
		r = futex_park(&counter->object, &park, deadline_ns, &nothing);
		if (r && r != -ETIMEDOUT)
			return r;
		waited = r;
	}
}

/* Compare-and-swap until @value is in. */
static int exchange(struct dso_counter *counter, uint64_t value, uint64_t *ret_before)
{
	int64_t deadline_ns = 0;
	struct op op = cas_of(counter, 0, value);
	uint64_t expected;
	int r;

	if (counter->stripes > 1)
		return -EOPNOTSUPP;
	r = read_all(counter, &expected);
	if (r)
		return r;
	for (;;) {
		op.operand = expected;
		r = session_execute_one(&counter->object, &op);
		if (r)
			return r;
		if (op.value == expected)
			break;
		expected = op.value;
		if (deadline_ns == 0)
			deadline_ns = clock_now_ns() + counter->object.session->timeout_ns;
		else if (clock_now_ns() > deadline_ns)
			return -ETIMEDOUT;
	}
	*ret_before = expected;
	return 0;
}

static int fail(struct dso_counter *counter, const char *verb, int error)
{
	if (error == -EOPNOTSUPP)
		return object_refuse(&counter->object, verb, error,
				     "it is striped: there is no one word to do that on");
	return object_fail(&counter->object, verb, error);
}

int dso_counter_open(struct dso_session *session, const char *name,
		     const struct dso_counter_params *params, struct dso_counter **ret_counter)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_COUNTER,
		.unwanted = !ret_counter,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_counter *counter;
	int r;

	if (params) {
		request.parameters[COUNTER_PARAMETER_INITIAL] = (uint64_t)params->initial;
		request.parameters[COUNTER_PARAMETER_STRIPES] = params->stripes;
	}
	r = object_open(session, name, &request, sizeof *counter, &counter);
	if (r)
		return r;
	counter->stripes = (uint32_t)counter->object.parameters[COUNTER_PARAMETER_STRIPES];
	counter->word =
		counter->object.offset + COUNTER_STRIPE_OFFSET(session->owner % counter->stripes);
	*ret_counter = counter;
	return 0;
}

void dso_counter_close(struct dso_counter *counter)
{
	INSIDE(check_session(counter));

	object_close((struct object *)counter);
}

int dso_counter_add(struct dso_counter *counter, int64_t delta, int64_t *ret_before)
{
	struct op op = {.opcode = DATA_FAA,
			.length_bytes = 8,
			.offset = counter->word,
			.operand = (uint64_t)delta};
	int r = session_execute_in(&counter->object, &op, __func__);

	if (__builtin_expect(r != 0, 0))
		return object_fail(&counter->object, "add", r);
	if (ret_before)
		*ret_before = (int64_t)op.value;
	return 0;
}

int dso_counter_get(struct dso_counter *counter, int64_t *ret_value)
{
	INSIDE_OF(counter);
	uint64_t sum;
	int r = read_all(counter, &sum);

	if (renewed(counter->object.session, r))
		r = read_all(counter, &sum);
	if (r)
		return object_fail(&counter->object, "get", r);
	if (ret_value)
		*ret_value = (int64_t)sum;
	return 0;
}

int dso_counter_set(struct dso_counter *counter, int64_t value)
{
	INSIDE_OF(counter);
	uint64_t before;
	int r = exchange(counter, (uint64_t)value, &before);

	return r ? fail(counter, "set", r) : 0;
}

int dso_counter_exchange(struct dso_counter *counter, int64_t value, int64_t *ret_before)
{
	INSIDE_OF(counter);
	uint64_t before;
	int r = exchange(counter, (uint64_t)value, &before);

	if (r)
		return fail(counter, "exchange", r);
	if (ret_before)
		*ret_before = (int64_t)before;
	return 0;
}

int dso_counter_cas(struct dso_counter *counter, int64_t expected, int64_t value,
		    int64_t *ret_before)
{
	struct op op = cas_of(counter, (uint64_t)expected, (uint64_t)value);
	int r = counter->stripes > 1 ? -EOPNOTSUPP
				     : session_execute_in(&counter->object, &op, __func__);

	if (r)
		return fail(counter, "cas", r);
	if (ret_before)
		*ret_before = (int64_t)op.value;
	return 0;
}

/* The two waits, for the public function @verb. */
static int wait_until(struct dso_counter *counter, enum control_wait_until until, int64_t value,
		      int64_t timeout, const char *verb, int64_t *ret_value)
{
	int64_t deadline_ns;
	uint64_t sum;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0)
		r = wait_for(counter, until, value, deadline_ns, &sum);
	if (r)
		return object_fail_wait(&counter->object, verb, timeout, r);
	if (ret_value)
		*ret_value = (int64_t)sum;
	return 0;
}

int dso_counter_wait(struct dso_counter *counter, int64_t at_least, int64_t timeout,
		     int64_t *ret_value)
{
	INSIDE_OF(counter);

	return wait_until(counter, CONTROL_WAIT_SUM_LEAST, at_least, timeout, "wait", ret_value);
}

int dso_counter_wait_change(struct dso_counter *counter, int64_t seen, int64_t timeout,
			    int64_t *ret_value)
{
	INSIDE_OF(counter);

	return wait_until(counter, CONTROL_WAIT_SUM_OTHER, seen, timeout, "wait_change", ret_value);
}

int dso_counter_add_submit(struct dso_counter *counter, int64_t delta, uint64_t tag)
{
	INSIDE_OF(counter);
	struct op op = {.opcode = DATA_FAA,
			.length_bytes = 8,
			.offset = counter->word,
			.operand = (uint64_t)delta};

	return session_submit(&counter->object, &op, tag, "add");
}

int dso_counter_cas_submit(struct dso_counter *counter, int64_t expected, int64_t value,
			   uint64_t tag)
{
	INSIDE_OF(counter);
	struct op op = cas_of(counter, (uint64_t)expected, (uint64_t)value);

	if (counter->stripes > 1)
		return fail(counter, "cas", -EOPNOTSUPP);
	return session_submit(&counter->object, &op, tag, "cas");
}
