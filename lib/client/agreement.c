/* SPDX-License-Identifier: Apache-2.0 */
/* A compile-time check that the public header and the protocol agree. */
#include "lib/core/transport.h"
#include "lib/store/types.h"
#include "proto/map.h"
#include "proto/data.h"

#include <dso/dso.h>

#define EQUAL(one, other) _Static_assert((one) == (other), #one " is " #other)

/* ---- limits ---- */

EQUAL(DSO_NAME_BYTES_MAX, CONTROL_NAME_BYTES_MAX);
EQUAL(DSO_COUNTER_STRIPES_MAX, COUNTER_STRIPES_MAX);
EQUAL(DSO_REGISTER_BYTES_MAX, REGISTER_CAPACITY_BYTES_MAX);
EQUAL(DSO_REGISTER_VERSION_MAX, FENCING_COUNT_MASK);
EQUAL(DSO_OUTSTANDING_MAX, TRANSPORT_INFLIGHT_MAX);
EQUAL(DSO_RWLOCK_READERS_MAX, RWLOCK_READERS_MAX);
EQUAL(DSO_SEMAPHORE_PERMITS_MAX, SEMAPHORE_PERMITS_MAX);
EQUAL(DSO_BARRIER_PARTIES_MAX, BARRIER_PARTIES_MAX);
EQUAL(DSO_FUTURE_BYTES_MAX, FUTURE_CAPACITY_BYTES_MAX);
EQUAL(DSO_QUEUE_CAPACITY_MAX, QUEUE_CAPACITY_MAX);
EQUAL(DSO_QUEUE_ITEM_BYTES_MAX, QUEUE_ITEM_BYTES_MAX);
EQUAL(DSO_AGGREGATOR_LENGTH_MAX, AGGREGATOR_LENGTH_MAX);
EQUAL(DSO_AGGREGATOR_CONTRIBUTORS_MAX, AGGREGATOR_CONTRIBUTORS_MAX);
EQUAL(DSO_MAP_KEY_BYTES_MAX, MAP_KEY_BYTES_MAX);
EQUAL(DSO_MAP_VALUE_BYTES_MAX, MAP_VALUE_BYTES_MAX);
EQUAL(DSO_MAP_MEMBERS_MAX, SPACE_MEMBERS_MAX);
EQUAL(DSO_SUBMIT_BYTES_MAX, DATA_TRANSFER_BYTES_MAX);
EQUAL(DSO_OWNER_STORAGED, OWNED_BY_STORAGED);

EQUAL(sizeof(((struct dso_hold *)0)->who), sizeof(((struct control_hold *)0)->who));
EQUAL(sizeof(((struct dso_figure *)0)->name), sizeof(((struct control_figure *)0)->name));

/* ---- roles ---- */

EQUAL((int)DSO_HOLDER, (int)CONTROL_HOLDER);
EQUAL((int)DSO_WRITER, (int)CONTROL_WRITER);
EQUAL((int)DSO_READER, (int)CONTROL_READER);

/* ---- queues ---- */

EQUAL((int)DSO_QUEUE_BUFFER, QUEUE_BUFFER);
EQUAL((int)DSO_QUEUE_RENDEZVOUS, QUEUE_RENDEZVOUS);

/* ---- aggregators ---- */

EQUAL((int)DSO_SUM, (int)AGGREGATOR_SUM);
EQUAL((int)DSO_MIN, (int)AGGREGATOR_MIN);
EQUAL((int)DSO_MAX, (int)AGGREGATOR_MAX);
EQUAL((int)DSO_MEAN, (int)AGGREGATOR_MEAN);
EQUAL((int)DSO_VARIANCE, (int)AGGREGATOR_VARIANCE);
EQUAL((int)DSO_COUNT, (int)AGGREGATOR_COUNT);
EQUAL((int)DSO_ARGMIN, (int)AGGREGATOR_ARGMIN);
EQUAL((int)DSO_ARGMAX, (int)AGGREGATOR_ARGMAX);
EQUAL((int)DSO_INT64, (int)AGGREGATOR_INT64);
EQUAL((int)DSO_DOUBLE, (int)AGGREGATOR_DOUBLE);
EQUAL((int)DSO_AGGREGATOR_RETRIES, (int)AGGREGATOR_RETRIES);
EQUAL((int)DSO_AGGREGATOR_OPEN_END, (int)AGGREGATOR_OPEN_END);

/* ---- types ---- */

#define X(NAME, name, number) EQUAL(DSO_##NAME, number);
OBJECT_TYPES(X)
#undef X

const char *dso_type_name(enum dso_type type)
{
	/* The compiler warns where a type of the header is missing from the list. */
	switch (type) {
#define X(NAME, name, number) case DSO_##NAME:
		OBJECT_TYPES(X)
#undef X
		return type_name(type);
	}
	return type_name(0);
}
