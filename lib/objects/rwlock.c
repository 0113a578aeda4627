/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader puts itself into a slot and then looks at the writer's word, in one round trip. A writer
 * takes its word and then looks at the slots. So one of them sees the other. While a writer waits
 * for the readers, new readers find its word taken and wait: no stream of readers keeps a writer
 * out.
 */
#include "lib/client/check.h"
#include "lib/objects/fencing.h"
#include "lib/objects/object.h"
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>

#define LOOK_BATCH 64

enum mode { UNLOCKED, READING, WRITING };

struct dso_rwlock {
	struct object object;
	struct dso_rwlock
		*sibling; /* the next of the session's handles to the same lock, in a ring */
	uint32_t readers;
	enum mode mode;
	uint32_t slot;            /* that this session most likely gets */
	uint64_t slot_word;       /* as it was last seen */
	uint64_t word;            /* the writer's, likewise */
	struct courtesy courtesy; /* of writing */
};

/* Another of the session's handles to the same lock, or NULL. */
static struct dso_rwlock *find_sibling(const struct dso_rwlock *rwlock)
{
	struct dso_session *session = rwlock->object.session;
	struct object *object;

	pthread_mutex_lock(&session->lock);
	for (object = session->objects; object; object = object->next)
		if (object != &rwlock->object && object->type == OBJECT_RWLOCK &&
		    object->offset == rwlock->object.offset)
			break;
	pthread_mutex_unlock(&session->lock);
	return (struct dso_rwlock *)object;
}

static void link_sibling(struct dso_rwlock *rwlock)
{
	struct dso_rwlock *sibling = find_sibling(rwlock);

	rwlock->sibling = sibling ? sibling->sibling : rwlock;
	if (sibling)
		sibling->sibling = rwlock;
}

static void unlink_sibling(struct dso_rwlock *rwlock)
{
	struct dso_rwlock *before = rwlock;

	while (before->sibling != rwlock)
		before = before->sibling;
	before->sibling = rwlock->sibling;
}

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_rwlock *rwlock = (struct dso_rwlock *)object;
	bool held = rwlock->mode != UNLOCKED;

	if (!loss)
		return held;
	loss->role = rwlock->mode == WRITING ? DSO_WRITER : DSO_READER;
	loss->count = held;
	rwlock->mode = UNLOCKED;
	rwlock->word = rwlock->slot_word = 0;
	return held;
}

int dso_rwlock_open(struct dso_session *session, const char *name,
		    const struct dso_rwlock_params *params, struct dso_rwlock **ret_rwlock)
{
	INSIDE(session);
	struct open_request request = {
		.type = OBJECT_RWLOCK,
		.lose = lose,
		.unwanted = !ret_rwlock,
		.given = params != NULL,
		.ephemeral = params ? params->ephemeral : 0,
	};
	struct dso_rwlock *rwlock;
	int r;

	if (params)
		request.parameters[RWLOCK_PARAMETER_READERS] = params->readers;
	r = object_open(session, name, &request, sizeof *rwlock, &rwlock);
	if (r)
		return r;
	rwlock->readers = (uint32_t)rwlock->object.parameters[RWLOCK_PARAMETER_READERS];
	rwlock->slot = session->owner % rwlock->readers;
	link_sibling(rwlock);
	*ret_rwlock = rwlock;
	return 0;
}

/* ---- reading ---- */

/* Leave the slot, and wake a writer that waits for that. */
static int leave_slot(struct dso_rwlock *rwlock)
{
	return owned_give(&rwlock->object, RWLOCK_SLOT_OFFSET(rwlock->slot), &rwlock->slot_word, 0,
			  0, OWNED_WAKE_ALL, NULL);
}

/*
 * Take the slot and look at the writer's word. Returns 0 (the slot is this session's), -EAGAIN (it
 * is another session's; slot_word is what is in it), or an error.
 */
static int try_slot(struct dso_rwlock *rwlock)
{
	struct object *object = &rwlock->object;
	uint64_t seen = owned_word(owned_word_token(rwlock->slot_word), 0);
	uint64_t mine = owned_word(owned_word_token(seen) + 1, object->session->owner);
	struct op ops[2] = {
		word_op(object, DATA_CAS, RWLOCK_SLOT_OFFSET(rwlock->slot), seen, mine),
		word_op(object, DATA_FAA, RWLOCK_WORD_OFFSET, 0, 0),
	};
	int r = session_execute(object, ops, 2);

	if (r)
		return r;
	rwlock->word = ops[1].value;
	rwlock->slot_word = ops[0].value == seen ? mine : ops[0].value;
	return ops[0].value == seen ? 0 : -EAGAIN;
}

/* Take any slot. Returns as try_slot, but with -EAGAIN all slots are taken. */
static int take_slot(struct dso_rwlock *rwlock)
{
	for (uint32_t tries = 0; tries < rwlock->readers;) {
		int r = try_slot(rwlock);

		if (r != -EAGAIN)
			return r;
		if (owned_word_owner(rwlock->slot_word) == 0)
			continue; /* free, with another token */
		if (owned_word_owner(rwlock->slot_word) == rwlock->object.session->owner)
			return -EDEADLK;
		if (++tries < rwlock->readers) {
			rwlock->slot = (rwlock->slot + 1) % rwlock->readers;
			rwlock->slot_word = 0;
		}
	}
	return -EAGAIN;
}

static int lock_for_reading(struct dso_rwlock *rwlock, int64_t deadline_ns)
{
	struct object *object = &rwlock->object;
	struct spin spin = spin_begin(object->session, deadline_ns);

	for (;;) {
		int r = take_slot(rwlock);

		if (r == -EAGAIN) {
			r = owned_wait(object, RWLOCK_SLOT_OFFSET(rwlock->slot), rwlock->slot_word,
				       &spin, deadline_ns);
			if (r)
				return r;
			continue;
		}
		if (r)
			return r;
		if (owned_word_owner(rwlock->word) == 0 && !(rwlock->word & OWNED_LOST)) {
			rwlock->mode = READING;
			return rwlock->word & OWNED_DIED ? -EOWNERDEAD : 0;
		}
		r = leave_slot(rwlock);
		if (r)
			return object_half_done(r);
		if (rwlock->word & OWNED_LOST)
			return -ENOTRECOVERABLE;
		if (owned_word_owner(rwlock->word) == object->session->owner)
			return -EDEADLK;
		r = owned_wait(object, RWLOCK_WORD_OFFSET, rwlock->word, &spin, deadline_ns);
		if (r)
			return r;
	}
}

/* ---- writing ---- */

static int unlock_writing(struct dso_rwlock *rwlock, uint64_t clear, uint64_t set)
{
	return owned_give(&rwlock->object, RWLOCK_WORD_OFFSET, &rwlock->word, clear, set,
			  OWNED_WAKE_ALL, &rwlock->courtesy);
}

/* Wait until the reader in slot @slot has left; the slot was *value when it was looked at. */
static int wait_for_reader(struct dso_rwlock *rwlock, uint32_t slot, uint64_t value,
			   struct spin *spin, int64_t deadline_ns)
{
	uint64_t offset = RWLOCK_SLOT_OFFSET(slot);
	uint16_t me = rwlock->object.session->owner;
	int r = 0;

	while (r == 0 && owned_word_owner(value)) {
		if (owned_word_owner(value) == me)
			return -EDEADLK;
		r = owned_wait(&rwlock->object, offset, value, spin, deadline_ns);
		if (r == 0)
			r = word_load(&rwlock->object, offset, &value);
	}
	return r;
}

/* Wait until there is no reader. */
static int drain(struct dso_rwlock *rwlock, int64_t deadline_ns)
{
	struct spin spin = spin_begin(rwlock->object.session, deadline_ns);
	struct op ops[LOOK_BATCH];
	int r = 0;

	for (uint32_t done = 0; r == 0 && done < rwlock->readers; done += LOOK_BATCH) {
		uint32_t left = rwlock->readers - done;
		unsigned count = left < LOOK_BATCH ? left : LOOK_BATCH;

		for (unsigned i = 0; i < count; i++)
			ops[i] = word_op(&rwlock->object, DATA_FAA, RWLOCK_SLOT_OFFSET(done + i), 0,
					 0);
		r = session_execute(&rwlock->object, ops, count);
		for (unsigned i = 0; r == 0 && i < count; i++)
			r = wait_for_reader(rwlock, done + i, ops[i].value, &spin, deadline_ns);
	}
	return r;
}

static int lock_for_writing(struct dso_rwlock *rwlock, int64_t deadline_ns)
{
	int taken = owned_take(&rwlock->object, RWLOCK_WORD_OFFSET, &rwlock->word, OWNED_LOST,
			       &rwlock->courtesy, deadline_ns);
	int r;

	if (taken && taken != -EOWNERDEAD)
		return taken == -EALREADY ? -ENOTRECOVERABLE : taken;
	courtesy_begin(&rwlock->courtesy);
	if (fencing_is_due(rwlock->word))
		fencing_advance(&rwlock->object, RWLOCK_WORD_OFFSET, rwlock->word);
	r = drain(rwlock, deadline_ns);
	if (r) {
		unlock_writing(rwlock, 0, 0);
		return object_half_done(r);
	}
	rwlock->mode = WRITING;
	return taken;
}

/* ---- the verbs ---- */

/* Whether this session has the lock by any of its handles. The slots cannot tell: the caller does
 * not know in which slot it reads. */
static bool is_locked_by_session(const struct dso_rwlock *rwlock)
{
	const struct dso_rwlock *handle = rwlock;

	do {
		if (handle->mode != UNLOCKED)
			return true;
		handle = handle->sibling;
	} while (handle != rwlock);
	return false;
}

static int lock(struct dso_rwlock *rwlock, int64_t timeout, const char *verb,
		int (*take)(struct dso_rwlock *rwlock, int64_t deadline_ns))
{
	int64_t deadline_ns;
	int r = futex_deadline(timeout, &deadline_ns);

	if (r == 0 && is_locked_by_session(rwlock))
		r = -EDEADLK;
	if (r == 0)
		r = take(rwlock, deadline_ns);
	return r ? object_fail_wait(&rwlock->object, verb, timeout, r) : 0;
}

int dso_rwlock_rdlock(struct dso_rwlock *rwlock, int64_t timeout)
{
	INSIDE_OF(rwlock);

	return lock(rwlock, timeout, "rdlock", lock_for_reading);
}

int dso_rwlock_wrlock(struct dso_rwlock *rwlock, int64_t timeout)
{
	INSIDE_OF(rwlock);

	return lock(rwlock, timeout, "wrlock", lock_for_writing);
}

static int unlock(struct dso_rwlock *rwlock)
{
	bool reads = rwlock->mode == READING;
	int r;

	if (rwlock->mode == UNLOCKED)
		return -EPERM;
	r = reads ? leave_slot(rwlock)
		  : unlock_writing(rwlock, OWNED_DIED, rwlock->word & OWNED_DIED ? OWNED_LOST : 0);
	if (!owned_is_kept(r, reads ? rwlock->slot_word : rwlock->word))
		rwlock->mode = UNLOCKED;
	return r;
}

int dso_rwlock_unlock(struct dso_rwlock *rwlock)
{
	INSIDE_OF(rwlock);
	int r = unlock(rwlock);

	return r ? object_fail(&rwlock->object, "unlock", r) : 0;
}

int dso_rwlock_consistent(struct dso_rwlock *rwlock)
{
	INSIDE_OF(rwlock);
	int r;

	if (rwlock->mode != WRITING || !(rwlock->word & OWNED_DIED))
		return object_refuse(&rwlock->object, "consistent", -EINVAL, "%s",
				     OWNED_NOT_DIED_SENTENCE);
	r = owned_clear(&rwlock->object, RWLOCK_WORD_OFFSET, &rwlock->word, OWNED_DIED);
	return r ? object_fail(&rwlock->object, "consistent", r) : 0;
}

void dso_rwlock_close(struct dso_rwlock *rwlock)
{
	INSIDE(check_session(rwlock));

	if (rwlock && rwlock->mode != UNLOCKED)
		unlock(rwlock);
	if (rwlock)
		unlink_sibling(rwlock);
	object_close((struct object *)rwlock);
}
