/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/objects/futex.h"
#include "lib/core/clock.h"
#include "lib/core/cpu.h"
#include "lib/objects/object.h"

#include <errno.h>
#include <sched.h>

#define SPIN_NS_UNKNOWN 50000 /* before the first round trip was measured */
#define SPIN_NS_MAX     200000
#define PAUSES_MAX      256 /* between two looks over a network */
#define LOOKS_PER_CLOCK 32
#define SPIN_ALONE_NS   10000

int futex_deadline(int64_t timeout, int64_t *ret_deadline_ns)
{
	int64_t now_ns = clock_now_ns();

	if (timeout < DSO_FOREVER)
		return -EINVAL;
	*ret_deadline_ns = timeout == DSO_FOREVER || timeout > INT64_MAX - now_ns
				   ? INT64_MAX
				   : now_ns + timeout;
	return 0;
}

int64_t spin_ns(const struct dso_session *session)
{
	int64_t ns = atomic_load_explicit(&session->round_trip_ns, memory_order_relaxed);

	if (session->poll == TRANSPORT_POLL_BLOCK)
		return 0;
	return ns == 0 ? SPIN_NS_UNKNOWN : ns < SPIN_NS_MAX ? ns : SPIN_NS_MAX;
}

struct spin spin_begin(const struct dso_session *session, int64_t deadline_ns)
{
	int64_t ns = spin_ns(session);
	struct spin spin = {.pauses = 1};

	if (ns == 0)
		return spin;
	spin.until_ns = clock_now_ns() + ns;
	if (deadline_ns < spin.until_ns)
		spin.until_ns = deadline_ns;
	return spin;
}

static void pause_for(unsigned count)
{
	while (count--)
		cpu_pause();
}

/* A READ is a hint, which is enough here: the caller decides by an atomic. */
static bool has_changed(struct object *object, uint64_t offset, uint64_t value)
{
	uint64_t now = value;
	struct op op = {.opcode = DATA_READ,
			.length_bytes = 8,
			.offset = object->offset + offset,
			.buffer = &now};

	return session_execute_one(object, &op) || now != value;
}

/* Looking costs nothing but this processor: the word stays in its cache until it changes. */
static bool spin_near(const struct spin *spin, struct object *object, uint64_t offset,
		      uint64_t value)
{
	int64_t begin_ns = clock_now_ns(), now_ns = begin_ns;

	for (unsigned looks = 1; now_ns < spin->until_ns; looks++) {
		pause_for(1);
		if (has_changed(object, offset, value))
			return true;
		if (looks % LOOKS_PER_CLOCK)
			continue;
		now_ns = clock_now_ns();
		if (now_ns - begin_ns > SPIN_ALONE_NS)
			sched_yield(); /* its changer may need this processor */
	}
	return false;
}

bool spin_on(struct spin *spin, struct object *object, uint64_t offset, uint64_t value)
{
	if (transport_ops(object->session->transport)->execute)
		return spin_near(spin, object, offset, value);
	if (clock_now_ns() >= spin->until_ns)
		return false;
	pause_for(spin->pauses);
	if (spin->pauses < PAUSES_MAX)
		spin->pauses *= 2;
	/* a yield is short beside a round trip, and the word's owner may need this processor */
	sched_yield();
	return true;
}

int futex_park(struct object *object, const struct park *park, int64_t deadline_ns,
	       uint64_t *ret_taken)
{
	struct dso_session *session = object->session;
	char reason[256];
	int r;

	*ret_taken = 0;
	if (clock_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	if (atomic_load_explicit(&object->deleted, memory_order_relaxed))
		return -ESTALE;
	r = session->directory->wait(session, object, park, deadline_ns, ret_taken, reason,
				     sizeof reason);
	return r == -EAGAIN ? 0 : r;
}

int futex_wait(struct object *object, uint64_t offset, uint64_t expected, int64_t deadline_ns)
{
	struct park until_changed = {
		.offset = offset, .expected = expected, .until = CONTROL_WAIT_CHANGED};
	uint64_t nothing;

	return futex_park(object, &until_changed, deadline_ns, &nothing);
}

int futex_wait_owned(struct object *object, uint64_t offset, int64_t deadline_ns)
{
	struct park until_given_back = {.offset = offset, .until = CONTROL_WAIT_GIVEN_BACK};
	uint64_t nothing;

	return futex_park(object, &until_given_back, deadline_ns, &nothing);
}

int futex_wake_quietly(struct object *object, uint64_t offset, uint32_t count)
{
	struct dso_session *session = object->session;
	char reason[256];

	return session->directory->wake(session, object, offset, count, NULL, reason,
					sizeof reason);
}

/* What the failure of a wake-up comes to, where the change before it has had its effect. The two
 * errors of an answer that did not come, or makes no sense, have ended the session. */
static int behind_a_change(int r)
{
	return r == -ETIMEDOUT || r == -EPROTO ? -ECONNRESET : object_half_done(r);
}

int futex_wake(struct object *object, uint64_t offset, uint32_t count)
{
	return behind_a_change(futex_wake_quietly(object, offset, count));
}

int futex_wake_counted(struct object *object, uint64_t offset, uint32_t count, uint32_t *ret_woken)
{
	struct dso_session *session = object->session;
	uint32_t total = 0, woken;
	char reason[256];
	int r;

	/* storaged wakes so many at a time. */
	do {
		uint32_t some = count - total < FUTEX_ALL ? count - total : FUTEX_ALL;

		r = session->directory->wake(session, object, offset, some, &woken, reason,
					     sizeof reason);
		total += r ? 0 : woken;
	} while (r == 0 && woken == FUTEX_ALL && total < count);
	if (r == 0 && ret_woken)
		*ret_woken = total;
	return r;
}

int futex_wake_some(struct object *object, uint64_t offset, uint32_t count, uint32_t *ret_woken)
{
	return behind_a_change(futex_wake_counted(object, offset, count, ret_woken));
}

int futex_wake_all(struct object *object, uint64_t offset)
{
	return futex_wake_some(object, offset, UINT32_MAX, NULL);
}
