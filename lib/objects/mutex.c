/* SPDX-License-Identifier: Apache-2.0 */
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

static inline int lock(struct dso_mutex *mutex, int64_t timeout)
{
	struct object *object = &mutex->object;
	int64_t deadline_ns;
	int r = owned_try(object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_LOST, &mutex->courtesy);

	if (r == -EAGAIN) {
		r = futex_deadline(timeout, &deadline_ns);
		if (r == 0)
			r = owned_await(object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_LOST,
					&mutex->courtesy, deadline_ns);
	}
	mutex->held |= r == 0 || r == -EOWNERDEAD;
	return r == -EALREADY ? -ENOTRECOVERABLE : r;
}

static inline int unlock(struct dso_mutex *mutex)
{
	/* What nobody said to be consistent is lost for everybody, as POSIX has it. */
	bool lost = mutex->word & OWNED_DIED;

	if (!mutex->held)
		return -EPERM;
	mutex->held = false;
	return owned_give(&mutex->object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_DIED,
			  lost ? OWNED_LOST : 0, lost ? OWNED_WAKE_ALL : 1, &mutex->courtesy);
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

int dso_mutex_open(struct dso_session *session, const char *name,
		   const struct dso_mutex_params *params, struct dso_mutex **ret_mutex)
{
	struct open_request request = {.type = OBJECT_MUTEX};

	if (params && params->reserved)
		return session_fail(session, -EINVAL,
				    "cannot open mutex %s: a reserved parameter is not zero", name);
	return object_open(session, name, &request, sizeof(struct dso_mutex), ret_mutex);
}

void dso_mutex_close(struct dso_mutex *mutex)
{
	if (mutex && mutex->held)
		mutex_unlock(mutex);
	object_close((struct object *)mutex);
}

int dso_mutex_lock(struct dso_mutex *mutex, int64_t timeout, uint64_t *ret_token)
{
	int r = timeout < DSO_FOREVER ? -EINVAL : lock(mutex, timeout);

	if (ret_token && (r == 0 || r == -EOWNERDEAD))
		*ret_token = owned_word_token(mutex->word);
	return r ? object_fail(&mutex->object, "lock", r) : 0;
}

int dso_mutex_unlock(struct dso_mutex *mutex)
{
	int r = unlock(mutex);

	return r ? object_fail(&mutex->object, "unlock", r) : 0;
}

int dso_mutex_consistent(struct dso_mutex *mutex)
{
	int r = -EINVAL;

	if (mutex->held && mutex->word & OWNED_DIED)
		r = owned_clear(&mutex->object, MUTEX_WORD_OFFSET, &mutex->word, OWNED_DIED);
	/* It was taken away by force: it is not locked by this handle any more. */
	if (r == -EPERM)
		r = -EINVAL;
	return r ? object_fail(&mutex->object, "consistent", r) : 0;
}

int dso_mutex_force_unlock(struct dso_mutex *mutex, uint64_t token)
{
	uint64_t word, before;
	int r = word_load(&mutex->object, MUTEX_WORD_OFFSET, &word);

	while (r == 0) {
		if (owned_word_holder(word) == 0 || owned_word_token(word) != token)
			r = -EAGAIN;
		else
			r = word_cas(&mutex->object, MUTEX_WORD_OFFSET, word,
				     owned_word(token, 0) | OWNED_DIED, &before);
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
	uint64_t word;
	int r = word_load(&mutex->object, MUTEX_WORD_OFFSET, &word);

	if (r)
		return object_fail(&mutex->object, "holder", r);
	if (ret_session)
		*ret_session = owned_word_holder(word);
	if (ret_token)
		*ret_token = owned_word_token(word);
	return 0;
}
