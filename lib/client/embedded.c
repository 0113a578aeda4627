/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URL embedded:[NAME] - a store inside this process, for unit tests of functions: the directory and
 * arena of storaged without a daemon. Sessions of the same NAME, also of several threads, share one
 * store, which is freed with the last of them.
 */
#include "lib/client/embedded.h"
#include "lib/core/clock.h"
#include "lib/client/handles.h"
#include "lib/core/holds.h"
#include "lib/store/store.h"
#include "lib/core/sweep.h"
#include "lib/core/waitlist.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OBJECTS_MAX 65536
#define OPENS_MAX   65536
/* the numbers that fit into a word; 0 is no session, the last one storaged */
#define OWNERS 65536
/* Address space, not memory: the kernel provides pages of the arena when they are touched. */
#define REGION_BYTES_MAX (4ULL << 30)
#define BUCKETS          256 /* of waiters; more of them may be parked */

struct shared {
	struct shared *next;
	struct store *store;
	struct transport *transport; /* of the directory's own, under `lock` */
	struct waitlist waiters;
	unsigned sessions;
	/* in a forked child the memory was replaced; where that failed, the store is never
	 * touched again */
	bool detached;
	uint64_t sessions_begun;
	uint16_t last_owner;
	uint64_t owners[OWNERS / 64]; /* one bit for each number that a session has */
	char name[108];
};

/* Of one session. */
struct embedded {
	struct store_opener opener;
	struct dso_session *session;
	struct shared *shared;
	/* under `lock` */
	struct parked parked;
	/* it need not wait any more, or the pause of its word has begun; or it is interrupted */
	pthread_cond_t changed;
	uint32_t handle;
	int answer;
	uint64_t taken; /* the word, if this session owns it now; or 0 */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* taken before any session's */
static struct shared *all;

static int status_error(enum wire_status status, char *reason, size_t reason_bytes)
{
	if (status != WIRE_OK && *reason == 0)
		snprintf(reason, reason_bytes, "%s", wire_status_sentence((uint16_t)status));
	return wire_status_error((uint16_t)status);
}

/* ---- parking and waking ---- */

/* There is no timer: the first waiter at a word that is in a pause watches for its end, which it is
 * to know of. */
static void have_pause_watched(struct waitlist *list, const struct waitlist_word *at)
{
	int64_t due_ns;
	struct parked *first = waitlist_first_in_pause(list, at, &due_ns);

	if (first)
		pthread_cond_signal(&container_of(first, struct embedded, parked)->changed);
}

/* The waiter is not in the list any more. */
static void end_wait(struct embedded *embedded, int result)
{
	embedded->answer = result;
	pthread_cond_signal(&embedded->changed);
	have_pause_watched(&embedded->shared->waiters, &embedded->parked.at);
}

static void answer(struct waitlist *list, struct parked *parked, enum wait_end end, uint64_t taken)
{
	static const int results[] = {
		[WAIT_CHANGED] = -EAGAIN, [WAIT_CANCELLED] = -ETIMEDOUT, [WAIT_FAILED] = -EIO};
	struct embedded *embedded = container_of(parked, struct embedded, parked);

	(void)list;
	embedded->taken = taken;
	end_wait(embedded, results[end]);
}

/* The waiters are threads of this process: a word that was given to one is taken up. */
static const struct waitlist_ops waiter_ops = {.answer = answer};

/* Until when the waiter sleeps: its deadline, the end of the pause that it watches, or the next
 * look at its sum. */
static int64_t sleep_until(const struct embedded *embedded, int64_t deadline_ns)
{
	int64_t due_ns;
	const struct parked *mine = &embedded->parked;
	const struct parked *first =
		waitlist_first_in_pause(&embedded->shared->waiters, &mine->at, &due_ns);

	if (park_is_sum(&mine->park) && mine->look.at_ns < deadline_ns)
		return mine->look.at_ns;
	return first == mine && due_ns < deadline_ns ? due_ns : deadline_ns;
}

/* Sleep, without `lock`, until the waiter is not parked any more, interrupted, or its deadline is
 * over. */
static void sleep_parked(struct embedded *embedded, int64_t deadline_ns)
{
	int64_t now_ns = 0;

	while (waitlist_is_parked(&embedded->parked) && now_ns < deadline_ns &&
	       !atomic_load(&embedded->session->interrupted)) {
		int64_t until_ns = sleep_until(embedded, deadline_ns);
		struct timespec until = clock_timespec(until_ns);

		if (until_ns == INT64_MAX)
			pthread_cond_wait(&embedded->changed, &lock);
		else
			pthread_cond_timedwait(&embedded->changed, &lock, &until);
		now_ns = clock_now_ns();
		waitlist_end_pauses(&embedded->shared->waiters, now_ns);
		waitlist_look(&embedded->shared->waiters, now_ns);
	}
}

static int embedded_wait(struct dso_session *session, struct object *object,
			 const struct park *park, int64_t deadline_ns, uint64_t *ret_taken,
			 char *reason, size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	struct shared *shared = embedded->shared;
	struct park mine = *park; /* leave is of no use: its thread is here */
	int64_t now_ns;
	int r;

	(void)reason;
	(void)reason_bytes;
	mine.owner = session->owner;
	mine.flags = OWNED_WAITED;
	pthread_mutex_lock(&lock);
	if (atomic_load(&object->deleted)) {
		pthread_mutex_unlock(&lock);
		return -ESTALE;
	}
	embedded->handle = object->handle;
	embedded->taken = 0;
	now_ns = clock_now_ns();
	waitlist_end_pauses(&shared->waiters, now_ns);
	waitlist_wait(&shared->waiters, &embedded->parked, shared->transport, object->offset, &mine,
		      now_ns);
	sleep_parked(embedded, deadline_ns);
	waitlist_cancel(&shared->waiters, &embedded->parked, clock_now_ns());
	r = embedded->answer;
	*ret_taken = embedded->taken;
	if (r == -ETIMEDOUT && atomic_exchange(&session->interrupted, false))
		r = -ECANCELED;
	pthread_mutex_unlock(&lock);
	return r;
}

static int embedded_figures(struct dso_session *session, struct dso_figure *figures,
			    size_t count_max, size_t *count, char *reason, size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	uint32_t parked_count;

	(void)reason;
	(void)reason_bytes;
	pthread_mutex_lock(&lock);
	parked_count = embedded->shared->waiters.parked_count;
	pthread_mutex_unlock(&lock);
	figure_append(figures, count_max, count, FIGURE_SESSIONS_PARKED,
		      sizeof FIGURE_SESSIONS_PARKED - 1, parked_count);
	return 0;
}

static void embedded_interrupt(struct dso_session *session)
{
	struct embedded *embedded = session->directory_data;

	pthread_mutex_lock(&lock);
	pthread_cond_signal(&embedded->changed);
	pthread_mutex_unlock(&lock);
}

static int embedded_wake(struct dso_session *session, struct object *object, uint64_t offset,
			 uint32_t count, uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	struct shared *shared = ((struct embedded *)session->directory_data)->shared;
	struct waitlist_word at = {shared->transport, object->offset, object->offset + offset};
	struct waitlist_wake wake = {.count = count, .waiters_max = UINT32_MAX};
	uint32_t woken;
	int64_t now_ns;

	(void)reason;
	(void)reason_bytes;
	pthread_mutex_lock(&lock);
	now_ns = clock_now_ns();
	waitlist_end_pauses(&shared->waiters, now_ns);
	woken = waitlist_wake(&shared->waiters, &at, wake, now_ns);
	pthread_mutex_unlock(&lock);
	if (ret_count)
		*ret_count = woken;
	return 0;
}

/* Undo what the session held, as storaged does, and wake the waiters for that, and those that may
 * have missed a wake-up. */
static void sweep(struct embedded *embedded, const struct store_reference *reference)
{
	struct shared *shared = embedded->shared;
	struct sweep_tally tally = {0};

	if (sweep_object(shared->transport, reference, embedded->session->owner, false, &tally))
		waitlist_wake_object(&shared->waiters, shared->transport, reference->offset);
	else if (sweep_owes_wakes(reference, false))
		waitlist_recheck(&shared->waiters, shared->transport, reference->offset);
}

/* ---- the directory ---- */

/* Its memory stays until the handle is closed, so nothing has to be waited for. Under `lock`. */
static bool deleted(struct store_opener *opener, uint32_t handle)
{
	struct embedded *embedded = (struct embedded *)opener;
	struct dso_session *session = embedded->session;

	pthread_mutex_lock(&session->lock);
	for (struct object *object = session->objects; object; object = object->next)
		if (object->handle == handle)
			object_mark_deleted(object);
	pthread_mutex_unlock(&session->lock);
	if (waitlist_is_parked(&embedded->parked) && embedded->handle == handle) {
		waitlist_remove(&embedded->parked);
		end_wait(embedded, -ESTALE);
	}
	return true;
}

static int embedded_open_object(struct dso_session *session, struct object *object,
				const struct open_request *request, char *reason,
				size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	unsigned flags = directory_open_flags(request);
	struct store_reference reference;
	enum wire_status status;

	pthread_mutex_lock(&lock);
	status = store_open(&embedded->opener, request->type, object->name, strlen(object->name),
			    flags, request->parameters, &reference, reason, reason_bytes);
	if (status == WIRE_OK) {
		object->handle = reference.handle;
		object->generation = reference.generation;
		object->offset = reference.offset;
		object->length_bytes = reference.length_bytes;
		object->token_origin = reference.token_origin;
		memcpy(object->parameters, reference.parameters, sizeof object->parameters);
		pthread_mutex_lock(&session->lock);
		object_link(object);
		pthread_mutex_unlock(&session->lock);
	}
	pthread_mutex_unlock(&lock);
	return status_error(status, reason, reason_bytes);
}

static void embedded_close_object(struct dso_session *session, struct object *object)
{
	struct embedded *embedded = session->directory_data;

	pthread_mutex_lock(&lock);
	pthread_mutex_lock(&session->lock);
	object_unlink(object);
	pthread_mutex_unlock(&session->lock);
	store_close(&embedded->opener, object->handle);
	store_clean(embedded->shared->store, UINT64_MAX);
	pthread_mutex_unlock(&lock);
}

static int embedded_grow(struct dso_session *session, struct object *object, unsigned number,
			 uint64_t bytes, struct directory_extent *extents, unsigned *ret_count,
			 char *reason, size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	struct store_extent found[CONTROL_GROWN_MAX];
	unsigned count = 0;
	enum wire_status status;

	pthread_mutex_lock(&lock);
	status = store_grow(&embedded->opener, object->handle, number, bytes, found,
			    CONTROL_GROWN_MAX, &count, reason, reason_bytes);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < count; i++)
		extents[i] = (struct directory_extent){found[i].offset, found[i].bytes};
	*ret_count = count;
	return status_error(status, reason, reason_bytes);
}

static int embedded_delete(struct dso_session *session, const char *name, char *reason,
			   size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	enum wire_status status;

	pthread_mutex_lock(&lock);
	status = store_delete(embedded->shared->store, name, strlen(name), NULL);
	store_tell(embedded->shared->store, UINT_MAX);
	store_clean(embedded->shared->store, UINT64_MAX);
	pthread_mutex_unlock(&lock);
	return status_error(status, reason, reason_bytes);
}

static int embedded_delete_prefix(struct dso_session *session, const char *prefix, uint32_t *cursor,
				  uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	struct store *store = ((struct embedded *)session->directory_data)->shared->store;
	struct store_prefix progress = {.cursor = *cursor};

	(void)reason;
	(void)reason_bytes;
	pthread_mutex_lock(&lock);
	store_delete_prefix(store, prefix, strlen(prefix), &progress);
	store_tell(store, UINT_MAX);
	store_clean(store, UINT64_MAX);
	pthread_mutex_unlock(&lock);
	*cursor = progress.cursor;
	*ret_count = progress.count;
	return 0;
}

static void stat_of(const struct store_object_stat *from, struct dso_stat *to)
{
	*to = (struct dso_stat){.type = (enum dso_type)from->type,
				.generation = from->generation,
				.offset = from->offset,
				.length_bytes = from->length_bytes,
				.opens = from->opens,
				.extents = from->extents,
				.extent_bytes = from->extent_bytes,
				.ephemeral = from->is_ephemeral};
	memcpy(to->parameters, from->parameters, sizeof to->parameters);
	memcpy(to->name, from->name, from->name_bytes);
}

static int embedded_stat(struct dso_session *session, const char *name, struct dso_stat *ret_stat,
			 char *reason, size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	struct store_object_stat stat;
	enum wire_status status;

	pthread_mutex_lock(&lock);
	status = store_stat(embedded->shared->store, name, strlen(name), &stat);
	pthread_mutex_unlock(&lock);
	if (status == WIRE_OK)
		stat_of(&stat, ret_stat);
	return status_error(status, reason, reason_bytes);
}

static int embedded_list(struct dso_session *session, uint32_t *cursor, struct dso_stat *entries,
			 unsigned count_max, unsigned *ret_count, char *reason, size_t reason_bytes)
{
	struct embedded *embedded = session->directory_data;
	struct store_object_stat stat;
	unsigned count = 0;
	bool more = true;

	pthread_mutex_lock(&lock);
	while (count < count_max && (more = store_next(embedded->shared->store, cursor, &stat)))
		stat_of(&stat, &entries[count++]);
	pthread_mutex_unlock(&lock);
	if (!more)
		*cursor = 0;
	*ret_count = count;
	return 0;
}

static bool has_session(const struct shared *shared, unsigned owner)
{
	return shared->owners[owner / 64] >> owner % 64 & 1;
}

struct answer {
	const struct shared *shared;
	struct dso_hold *holds;
	unsigned count, count_max;
};

static bool put_hold(const struct hold *hold, void *context)
{
	struct answer *answer = context;
	struct dso_hold *to = &answer->holds[answer->count];

	if (answer->count == answer->count_max)
		return false;
	*to = (struct dso_hold){
		.type = (enum dso_type)hold->stat->type,
		.role = (enum dso_role)hold->role,
		.generation = hold->stat->generation,
		.owner = hold->owner,
		.count = hold->count,
		.token = hold->token,
		.held_max = DSO_FOREVER,
	};
	if (has_session(answer->shared, hold->owner))
		snprintf(to->who, sizeof to->who, "pid %d", (int)getpid());
	memcpy(to->name, hold->stat->name, hold->stat->name_bytes);
	answer->count++;
	return true;
}

/* An embedded store looks at holds only when it is asked, so it does not know since when they
 * last. */
static int embedded_holds(struct dso_session *session, uint64_t *cursor, struct dso_hold *holds,
			  unsigned count_max, unsigned *ret_count, char *reason,
			  size_t reason_bytes)
{
	struct shared *shared = ((struct embedded *)session->directory_data)->shared;
	struct answer answer = {.shared = shared, .holds = holds, .count_max = count_max};
	int r;

	pthread_mutex_lock(&lock);
	r = holds_page(shared->store, shared->transport, cursor, put_hold, &answer);
	pthread_mutex_unlock(&lock);
	*ret_count = answer.count;
	return r;
}

static int embedded_server_stat(struct dso_session *session, struct dso_server_stat *ret_stat,
				char *reason, size_t reason_bytes)
{
	struct shared *shared = ((struct embedded *)session->directory_data)->shared;

	pthread_mutex_lock(&lock);
	*ret_stat = (struct dso_server_stat){
		.region_bytes = store_region_bytes(shared->store),
		.region_used_bytes = store_used_bytes(shared->store),
		.objects = store_object_count(shared->store),
		.objects_max = OBJECTS_MAX,
		.sessions = shared->sessions,
		.sessions_max = OWNED_BY_STORAGED - 1,
		.sessions_begun = shared->sessions_begun,
		.domain = "cpu",
		.domain_reason = "the store is inside this process",
		.io = "none",
		.version = DSO_VERSION,
	};
	pthread_mutex_unlock(&lock);
	return 0;
}

static int embedded_ping(struct dso_session *session, char *reason, size_t reason_bytes)
{
	return 0;
}

/* ---- owner numbers ---- */

static bool owner_is_taken(const struct shared *shared, unsigned owner)
{
	return owner == 0 || owner == OWNED_BY_STORAGED || has_session(shared, owner);
}

/* Take a number that no session has, the one that has been unused for the longest time. Returns 0,
 * or -EUSERS. Under `lock`. */
static int take_owner(struct shared *shared, uint16_t *ret_owner)
{
	for (unsigned i = 1; i <= OWNERS; i++) {
		unsigned owner = (shared->last_owner + i) % OWNERS;

		if (owner_is_taken(shared, owner))
			continue;
		shared->owners[owner / 64] |= UINT64_C(1) << owner % 64;
		shared->last_owner = *ret_owner = (uint16_t)owner;
		return 0;
	}
	return -EUSERS;
}

static void give_owner(struct shared *shared, uint16_t owner)
{
	shared->owners[owner / 64] &= ~(UINT64_C(1) << owner % 64);
}

/* ---- opening and leaving ---- */

/* A session with the number @owner (0: none) leaves the store. Under `lock`. */
static void leave_shared(struct shared *shared, uint16_t owner)
{
	give_owner(shared, owner);
	if (--shared->sessions)
		return;
	for (struct shared **at = &all; *at; at = &(*at)->next) {
		if (*at == shared) {
			*at = shared->next;
			break;
		}
	}
	transport_ops(shared->transport)->close(shared->transport);
	store_free(shared->store);
	waitlist_close(&shared->waiters);
	free(shared);
}

static void embedded_leave(struct dso_session *session)
{
	struct embedded *embedded = session->directory_data;
	struct store_reference reference;
	uint32_t cursor = 0;

	pthread_mutex_lock(&lock);
	while (store_opener_next(&embedded->opener, &cursor, &reference))
		sweep(embedded, &reference);
	store_opener_end(&embedded->opener);
	store_clean(embedded->shared->store, UINT64_MAX);
	leave_shared(embedded->shared, session->owner);
	pthread_mutex_unlock(&lock);
	pthread_cond_destroy(&embedded->changed);
	free(embedded);
}

/* ---- fork() ---- */

void embedded_before_fork(void)
{
	pthread_mutex_lock(&lock);
}

void embedded_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

void embedded_detach(void)
{
	for (struct shared *shared = all; shared; shared = shared->next)
		shared->detached = store_detach(shared->store) == 0;
}

/* A condition that a thread of the parent waits on is freed as it is. */
static void embedded_forget(struct dso_session *session)
{
	struct embedded *embedded = session->directory_data;

	if (embedded->shared->detached) {
		store_opener_end(&embedded->opener);
		leave_shared(embedded->shared, session->owner);
	}
	free(embedded);
}

void embedded_forget_all(void)
{
	all = NULL;
}

static const struct directory_ops embedded_ops = {
	.open = embedded_open_object,
	.close = embedded_close_object,
	.grow = embedded_grow,
	.delete = embedded_delete,
	.delete_prefix = embedded_delete_prefix,
	.stat = embedded_stat,
	.list = embedded_list,
	.holds = embedded_holds,
	.server_stat = embedded_server_stat,
	.ping = embedded_ping,
	.wait = embedded_wait,
	.interrupt = embedded_interrupt,
	.wake = embedded_wake,
	.figures = embedded_figures,
	.leave = embedded_leave,
	.forget = embedded_forget,
};

/* Find the store called @name, or create it. Under `lock`. */
static int acquire(const char *name, struct shared **ret_shared)
{
	uint64_t physical = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	struct store_limits limits = {
		.region_bytes = physical / 4 < REGION_BYTES_MAX ? physical / 4 : REGION_BYTES_MAX,
		.objects_max = OBJECTS_MAX,
		.opens_max = OPENS_MAX};
	struct shared *shared;
	int r;

	for (shared = all; shared; shared = shared->next)
		if (!strcmp(shared->name, name))
			break;
	if (!shared) {
		shared = calloc(1, sizeof *shared);
		if (!shared)
			return -ENOMEM;
		r = store_new(&limits, &shared->store);
		if (r == 0)
			r = transport_cpu_open(store_base(shared->store),
					       store_region_bytes(shared->store),
					       &shared->transport);
		if (r == 0)
			r = waitlist_open(&shared->waiters, &waiter_ops, BUCKETS,
					  WAITLIST_PAUSE_NS);
		if (r) {
			waitlist_close(&shared->waiters);
			if (shared->transport)
				transport_ops(shared->transport)->close(shared->transport);
			store_free(shared->store);
			free(shared);
			return r;
		}
		snprintf(shared->name, sizeof shared->name, "%s", name);
		shared->next = all;
		all = shared;
	}
	shared->sessions++;
	shared->sessions_begun++;
	*ret_shared = shared;
	return 0;
}

int embedded_open(struct dso_session *session, const struct url *url,
		  const struct session_settings *settings, char *reason, size_t reason_bytes)
{
	struct embedded *embedded;
	pthread_condattr_t monotonic;
	int r;

	if (strcmp(settings->transport, "auto")) {
		snprintf(reason, reason_bytes, "an embedded store has no transport %s",
			 settings->transport);
		return -EINVAL;
	}
	embedded = calloc(1, sizeof *embedded);
	if (!embedded)
		return -ENOMEM;
	embedded->session = session;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	parked_init(&embedded->parked);
	pthread_cond_init(&embedded->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_lock(&lock);
	r = acquire(url->path, &embedded->shared);
	if (r == 0) {
		struct store *store = embedded->shared->store;

		r = take_owner(embedded->shared, &session->owner);
		if (r == 0)
			r = transport_cpu_open(store_base(store), store_region_bytes(store),
					       &session->transport);
		if (r == 0)
			store_opener_begin(store, &embedded->opener, deleted);
		else
			leave_shared(embedded->shared, session->owner);
	}
	pthread_mutex_unlock(&lock);
	if (r) {
		free(embedded);
		return r;
	}
	session->directory = &embedded_ops;
	session->directory_data = embedded;
	session_report(session, "embedded", true,
		       "the URL says so: the store is inside this process");
	return 0;
}
