/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/session/grants.h"
#include "proto/layout.h"

#define ROUND_TRIPS 4
#define TAKE_TRIES  8 /* others may set flags in between */

void grant_begin(struct deadlines *grants, struct waiter *waiter, uint64_t value, int64_t now_ns)
{
	struct grant *grant = &waiter->grant;

	grant->handle = waiter->handle;
	grant->object = waiter->parked.at.object;
	grant->word = waiter->parked.at.word;
	grant->value = value;
	grant->looks = grant->late = 0;
	deadline_set(grants, &grant->deadline, now_ns);
}

void grant_end(struct grant *grant)
{
	list_remove(&grant->deadline.link);
}

static int64_t round_trip_ns(const struct waiter *waiter)
{
	return waiter->client ? waiter->client->ops->round_trip_ns(waiter->client) : 0;
}

/* How many looks that come in time may find the word not taken up. */
static unsigned looks_of(const struct waiter *waiter)
{
	int64_t trips = ROUND_TRIPS * round_trip_ns(waiter) / GRANT_NS + 1;
	unsigned missed = waiter->grant.missed;
	int64_t doubled = missed < 4 ? GRANT_LOOKS_MIN << missed : GRANT_LOOKS_MAX;
	int64_t most = trips > doubled ? trips : doubled;

	return most < GRANT_LOOKS_MAX ? (unsigned)most : GRANT_LOOKS_MAX;
}

static bool is_the_grant(const struct grant *grant, uint64_t value)
{
	return (value ^ grant->value) >> 8 == 0 && value & OWNED_GRANTED;
}

static int load(struct transport *transport, uint64_t word, uint64_t *ret_value)
{
	struct op op = op_load(word);
	int r = transport_execute(transport, &op, 1);

	*ret_value = op.value;
	return r;
}

/* Take the word back from who was given it, where it is still as it was given but for flags. */
static bool take_back(struct transport *transport, const struct grant *grant, uint64_t value)
{
	for (unsigned tries = 0; tries < TAKE_TRIES && is_the_grant(grant, value); tries++) {
		struct op op = {.opcode = DATA_CAS,
				.length_bytes = 8,
				.offset = grant->word,
				.operand = value,
				.swap = owned_word_without_owner(value) & ~(uint64_t)OWNED_GRANTED};

		if (transport_execute(transport, &op, 1))
			return false;
		if (op.value == value)
			return true;
		value = op.value;
	}
	return false;
}

/* Count a look that found the word not taken up. Returns whether it was the last. */
static bool is_missed(const struct waiter *waiter, struct grant *grant, int64_t now_ns)
{
	grant->looks++;
	grant->late += now_ns - grant->deadline.at_ns >= GRANT_NS;
	return grant->looks - grant->late >= looks_of(waiter) || grant->looks >= GRANT_LOOKS_MAX;
}

/* The session was only woken. Returns whether it has had its time. */
static bool check_woken(struct deadlines *grants, struct grant *grant, int64_t now_ns)
{
	if (++grant->looks < GRANT_LOOKS_MIN) {
		deadline_set(grants, &grant->deadline, now_ns);
		return false;
	}
	grant_end(grant);
	return true;
}

/* Returns whether the word was taken back. */
static bool check(struct deadlines *grants, struct waiter *waiter, int64_t now_ns)
{
	struct transport *transport = waiter->space->transport;
	struct grant *grant = &waiter->grant;
	uint64_t value;
	int r;

	if (grant->value == 0)
		return check_woken(grants, grant, now_ns);
	r = load(transport, grant->word, &value);
	if (r == 0 && !is_the_grant(grant, value)) {
		grant->missed = 0;
		grant_end(grant);
		return false;
	}
	if (r || !is_missed(waiter, grant, now_ns) || !take_back(transport, grant, value)) {
		deadline_set(grants, &grant->deadline, now_ns);
		return false;
	}
	grant->missed++;
	grant_end(grant);
	return true;
}

bool grants_check(struct deadlines *grants, int64_t now_ns, struct waiter **ret_waiter)
{
	struct deadline *first;

	while ((first = deadline_first(grants)) && first->at_ns <= now_ns) {
		struct grant *grant = container_of(first, struct grant, deadline);
		struct waiter *waiter = container_of(grant, struct waiter, grant);

		if (check(grants, waiter, now_ns)) {
			*ret_waiter = waiter;
			return true;
		}
	}
	return false;
}
