/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/check.h"
#include "lib/objects/fencing.h"
#include "lib/objects/mutex.h"
#include "lib/objects/owned.h"
#include "lib/objects/word.h"

#include <errno.h>

struct dso_mutex {
	struct object object;
	uint64_t word; /* as it was last seen */
	bool held;
	struct courtesy courtesy;
};

static inline bool is_taken(int r)
{
	return r == 0 || r == -EOWNERDEAD;
}

/* Continue after a first try to take the word, which returned @r. */
static inline int lock_after(struct dso_mutex *mutex, int64_t timeout, int r)
{
	struct object *object = &mutex->object;
	int64_t deadline_ns;

	if (r == -EAGAIN) {
		r = futex_deadline(timeout, &deadline_ns);
		if (r == 0)
			r = owned_await(object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_LOST,
					&mutex->courtesy, deadline_ns);
	}
	if (is_taken(r)) {
		mutex->held = true;
		courtesy_begin(&mutex->courtesy);
		/* If this fails, a later owner advances the epoch, and the session's next operation
		 * says why. */
		if (__builtin_expect(fencing_is_due(mutex->word), 0))
			fencing_advance(object, MUTEX_WORD_OFFSET, mutex->word);
	}
	return r == -EALREADY ? -ENOTRECOVERABLE : r;
}

static inline int lock(struct dso_mutex *mutex, int64_t timeout)
{
	return lock_after(mutex, timeout,
			  owned_try(&mutex->object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_LOST,
				    &mutex->courtesy));
}

/* As owned_try, and read the epoch in the same round trip. */
static int try_with_epoch(struct dso_mutex *mutex, uint64_t *epoch)
{
	struct object *object = &mutex->object;
	uint64_t value = owned_given_back(mutex->word);
	uint64_t taken = owned_taken(value, object->session->owner);
	struct op ops[2] = {word_op(object, DATA_CAS, MUTEX_WORD_OFFSET, value, taken),
			    fencing_epoch_op(object)};
	int r;

	if (mutex->courtesy.due)
		return -EAGAIN;
	if (value & OWNED_LOST)
		return owned_stopped(object);
	r = session_execute(object, ops, 2);
	if (r)
		return r;
	*epoch = ops[1].value;
	r = owned_judge(ops[0].value, taken, &value);
	mutex->word = value;
	return r;
}

static int lock_for_token(struct dso_mutex *mutex, int64_t timeout, uint64_t *ret_token)
{
	uint64_t epoch = 0;
	int first = try_with_epoch(mutex, &epoch);
	int r = lock_after(mutex, timeout, first), s = 0;

	if (!is_taken(r))
		return r;
	/* The wait may have been longer than an epoch lasts. */
	if (first == -EAGAIN)
		s = word_load(&mutex->object, OBJECT_TOKEN_EPOCH_OFFSET, &epoch);
	if (s)
		return object_half_done(s);
	*ret_token = fencing_token(&mutex->object, mutex->word, epoch);
	return r;
}

/* Read the word and the epoch. */
static int read_token(struct dso_mutex *mutex, uint64_t *word, uint64_t *token)
{
	struct op ops[2] = {word_op(&mutex->object, DATA_FAA, MUTEX_WORD_OFFSET, 0, 0),
			    fencing_epoch_op(&mutex->object)};
	int r = session_execute(&mutex->object, ops, 2);

	*word = ops[0].value;
	*token = fencing_token(&mutex->object, ops[0].value, ops[1].value);
	return r;
}

static int unlock(struct dso_mutex *mutex)
{
	/* A mutex that is unlocked without having been made consistent is lost for every session,
	 * as POSIX has it. */
	bool lost = mutex->word & OWNED_DIED;
	int r;

	if (!mutex->held)
		return -EPERM;
	r = owned_give(&mutex->object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_DIED,
		       lost ? OWNED_LOST : 0, lost ? OWNED_WAKE_ALL : 1, &mutex->courtesy);
	mutex->held = owned_is_kept(r, mutex->word);
	return r;
}

/* ---- where all that it takes is one compare-and-swap by this processor ---- */

#define NOT_TRIED 1

/* Returns as owned_try, or NOT_TRIED. */
static inline int lock_at_once(struct dso_mutex *mutex)
{
	uint64_t value = owned_given_back(mutex->word);
	uint64_t taken = owned_taken(value, mutex->object.session->owner), before;
	int r;

	if (mutex->courtesy.due || value & OWNED_LOST || fencing_is_due(taken) ||
	    !word_cas_at_once(&mutex->object, MUTEX_WORD_OFFSET, value, taken, &before))
		return NOT_TRIED;
	r = owned_judge(before, taken, &value);
	mutex->word = value;
	mutex->held |= r == 0;
	return r;
}

static inline bool unlock_at_once(struct dso_mutex *mutex)
{
	uint64_t word = mutex->word, free = owned_word_without_owner(word), before;

	if (!mutex->held || word & (OWNED_DIED | OWNED_WAITED) ||
	    !word_cas_at_once(&mutex->object, MUTEX_WORD_OFFSET, word, free, &before) ||
	    before != word)
		return false;
	mutex->word = free;
	mutex->held = false;
	return true;
}

int mutex_lock(struct dso_mutex *mutex, int64_t timeout)
{
	return lock(mutex, timeout);
}

int mutex_unlock(struct dso_mutex *mutex)
{
	return unlock(mutex);
}

bool mutex_is_held(const struct dso_mutex *mutex)
{
	return mutex->held;
}

struct dso_session *mutex_session(const struct dso_mutex *mutex)
{
	return mutex->object.session;
}

static bool lose(struct object *object, struct dso_loss *loss)
{
	struct dso_mutex *mutex = (struct dso_mutex *)object;
	bool held = mutex->held;

	if (!loss)
		return held;
	loss->role = DSO_HOLDER;
	loss->count = held;
	mutex->held = false;
	mutex->word = 0;
	return held;
}

int dso_mutex_open(struct dso_session *session, const char *name,
		   const struct dso_mutex_params *params, struct dso_mutex **ret_mutex)
{
	INSIDE(session);
	struct open_request request = {.type = OBJECT_MUTEX,
				       .lose = lose,
				       .unwanted = !ret_mutex,
				       .ephemeral = params ? params->ephemeral : 0};

	return object_open(session, name, &request, sizeof(struct dso_mutex), ret_mutex);
}

void dso_mutex_close(struct dso_mutex *mutex)
{
	INSIDE(check_session(mutex));

	if (mutex && mutex->held)
		mutex_unlock(mutex);
	object_close((struct object *)mutex);
}

/* The rest of dso_mutex_lock(), after a first try that returned @first. */
__attribute__((noinline)) static int lock_slowly(struct dso_mutex *mutex, int64_t timeout,
						 uint64_t *ret_token, int first)
{
	int r = timeout < DSO_FOREVER ? -EINVAL
		: ret_token           ? lock_for_token(mutex, timeout, ret_token)
		: first == NOT_TRIED  ? lock(mutex, timeout)
				      : lock_after(mutex, timeout, first);

	return r ? object_fail_wait(&mutex->object, "lock", timeout, r) : 0;
}

int dso_mutex_lock(struct dso_mutex *mutex, int64_t timeout, uint64_t *ret_token)
{
	int first = ret_token || timeout < DSO_FOREVER ? NOT_TRIED : lock_at_once(mutex);

	if (__builtin_expect(first == 0, 1))
		return 0;
	INSIDE_OF(mutex);
	return lock_slowly(mutex, timeout, ret_token, first);
}

int dso_mutex_unlock(struct dso_mutex *mutex)
{
	int r;

	if (__builtin_expect(unlock_at_once(mutex), 1))
		return 0;
	INSIDE_OF(mutex);
	r = unlock(mutex);
	return r ? object_fail(&mutex->object, "unlock", r) : 0;
}

int dso_mutex_consistent(struct dso_mutex *mutex)
{
	INSIDE_OF(mutex);
	int r = -EPERM;

	if (mutex->held && mutex->word & OWNED_DIED)
		r = owned_clear(&mutex->object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_DIED);
	/* -EPERM: it was taken away by force, and is not locked by this handle any more. */
	if (r == -EPERM)
		return object_refuse(&mutex->object, "consistent", -EINVAL, "%s",
				     OWNED_NOT_DIED_SENTENCE);
	return r ? object_fail(&mutex->object, "consistent", r) : 0;
}

int dso_mutex_force_unlock(struct dso_mutex *mutex, uint64_t token)
{
	INSIDE_OF(mutex);
	uint64_t word, newest, before;
	int r = read_token(mutex, &word, &newest);
	uint64_t count = owned_word_token(word);

	if (r == 0 && newest != token)
		r = -EAGAIN;
	while (r == 0) {
		if (owned_word_holder(word) == 0 || owned_word_token(word) != count)
			r = -EAGAIN;
		else
			r = word_cas(&mutex->object, MUTEX_WORD_OFFSET, word,
				     owned_word(count, 0) | OWNED_DIED, &before);
		if (r == 0 && before == word)
			break;
		word = before;
	}
	if (r == 0)
		r = futex_wake_all(&mutex->object, MUTEX_WORD_OFFSET);
	if (r == -EAGAIN)
		return session_fail(
			mutex->object.session, r,
			"mutex %s force_unlock at %s: it is not held with token %llu any more",
			mutex->object.name, mutex->object.session->url, (unsigned long long)token);
	return r ? object_fail(&mutex->object, "force_unlock", r) : 0;
}

int dso_mutex_holder(struct dso_mutex *mutex, uint32_t *ret_session, uint64_t *ret_token)
{
	INSIDE_OF(mutex);
	uint64_t word, token;
	int r = read_token(mutex, &word, &token);

	if (r)
		return object_fail(&mutex->object, "holder", r);
	if (ret_session)
		*ret_session = owned_word_holder(word);
	if (ret_token)
		*ret_token = token;
	return 0;
}
