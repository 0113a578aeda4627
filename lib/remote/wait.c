/* SPDX-License-Identifier: Apache-2.0 */
/* Parking at storaged and waking, over the control connection. The deadline is kept on this side:
 * it cancels the wait. */
#include "lib/remote/wait.h"
#include "lib/core/clock.h"
#include "lib/remote/remote.h"
#include "proto/layout.h"

#include <errno.h>
#include <stdio.h>

/* Ask storaged to end the WAIT that is under way. */
static void cancel(struct remote *remote)
{
	remote->parked = false;
	remote_put(remote, CONTROL_CANCEL, REMOTE_NOBODY, NULL, 0, NULL, 0);
}

/* Wait for the reply to WAIT, which is cancelled at the deadline. */
static void await_wake(struct remote *remote, int64_t deadline_ns)
{
	struct dso_session *session = remote->session;
	struct peer_timeout timeout = {0};
	unsigned pongs = remote->pongs;

	while (!remote->replied && !atomic_load(&session->health)) {
		int64_t now_ns = clock_now_ns();

		if (remote->parked && (atomic_load(&session->interrupted) || now_ns >= deadline_ns))
			cancel(remote);
		if (!remote->parked && (timeout.until_ns == 0 || remote->pongs != pongs))
			heartbeat_timeout_begin(&timeout, session->timeout_ns);
		pongs = remote->pongs;
		if (!remote->parked && heartbeat_timeout_is_over(&timeout))
			remote_lose(remote, -ENOTCONN, "storaged did not answer a request in time");
		else
			remote_listen(remote, remote->parked
						      ? deadline_ns
						      : heartbeat_timeout_until_ns(&timeout));
	}
	remote->parked = false;
}

/* End the session, so that storaged takes the word back: it may have taken the word for this
 * session or not. */
static int lose_word(struct remote *remote, const char *why, char *reason, size_t reason_bytes)
{
	remote_lose(remote, -ENOTCONN, why);
	snprintf(reason, reason_bytes, "%s", remote->session->lost_reason);
	return -ECONNRESET;
}

/* Take the word that storaged took for this session. Returns 0, or -EPROTO: the answer makes no
 * sense. */
static int taken(struct remote *remote, uint64_t *ret_taken)
{
	struct control_waited waited = {0};

	if (remote->reply_bytes == sizeof waited)
		memcpy(&waited, remote->reply.body, sizeof waited);
	*ret_taken = le64_get(waited.taken);
	if (remote->reply_bytes == sizeof waited &&
	    (*ret_taken == 0 || (owned_word_owner(*ret_taken) == remote->session->owner &&
				 *ret_taken & OWNED_GRANTED)))
		return 0;
	return -EPROTO;
}

int remote_wait(struct dso_session *session, struct object *object, const struct park *park,
		int64_t deadline_ns, uint64_t *ret_taken, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_wait body = {.handle = le32_of(object->handle),
				    .until = (uint8_t)park->until,
				    .again = park->again,
				    .share = le16_of(park_is_sum(park) ? park->words : park->share),
				    .offset = le64_of(park->offset),
				    .expected = le64_of(park->expected),
				    .leave = le64_of(park->leave)};
	uint64_t needed = CONTROL_FEATURE_WAIT |
			  (park->until > CONTROL_WAIT_TAKEN ? CONTROL_FEATURE_VALUE : 0);
	int r;

	if (~le64_get(remote->welcome.features) & needed)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&session->lock);
	r = remote_begin(remote, CONTROL_WAIT, &body, sizeof body, NULL);
	remote->parked = r == 0;
	await_wake(remote, deadline_ns);
	if (r == 0 && !remote->replied)
		r = atomic_load(&session->health);
	/* It was under way. */
	if (r == -ENOTCONN && remote->request)
		r = -ECONNRESET;
	remote->request = 0;
	if (r)
		snprintf(reason, reason_bytes, "%s", session->lost_reason);
	else
		r = remote_reply_error(remote, reason, reason_bytes);
	if (r == 0)
		r = taken(remote, ret_taken);
	if (r == -EIO)
		r = lose_word(remote, TRANSPORT_DEVICE_FAILED, reason, reason_bytes);
	else if (r == -EPROTO)
		r = lose_word(remote, "storaged broke the protocol", reason, reason_bytes);
	if (r == -ECANCELED && !atomic_exchange(&session->interrupted, false))
		r = -ETIMEDOUT;
	pthread_mutex_unlock(&session->lock);
	return r;
}

void remote_interrupt(struct dso_session *session)
{
	struct remote *remote = remote_of(session);

	pthread_mutex_lock(&session->lock);
	/* Not a later wait: an earlier one may have been ended for this interrupt already. */
	if (remote->parked && atomic_load(&session->interrupted))
		cancel(remote);
	pthread_mutex_unlock(&session->lock);
}

int remote_wake(struct dso_session *session, struct object *object, uint64_t offset, uint32_t count,
		uint32_t *ret_count, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_wake body = {.handle = le32_of(object->handle),
				    .count = le32_of(count),
				    .offset = le64_of(offset)};
	struct control_woken woken;
	int r;

	if (!(le64_get(remote->welcome.features) & CONTROL_FEATURE_WAIT))
		return -EOPNOTSUPP;
	pthread_mutex_lock(&session->lock);
	if (!ret_count) {
		r = remote_make_room(remote);
		if (r == 0)
			r = remote_put(remote, CONTROL_WAKE_QUIETLY, 0, &body, sizeof body, NULL,
				       0);
	} else {
		r = remote_request(remote, CONTROL_WAKE, &body, sizeof body, NULL, sizeof woken,
				   reason, reason_bytes);
		if (r == 0) {
			memcpy(&woken, remote->reply.body, sizeof woken);
			*ret_count = le32_get(woken.count);
		}
	}
	pthread_mutex_unlock(&session->lock);
	remote_yield_to_heartbeat(remote);
	return r;
}

int remote_reduce(struct dso_session *session, struct object *object, uint64_t round,
		  uint64_t *ret_word, char *reason, size_t reason_bytes)
{
	struct remote *remote = remote_of(session);
	struct control_reduce body = {.handle = le32_of(object->handle), .round = le64_of(round)};
	struct control_reduced reduced;
	int r;

	pthread_mutex_lock(&session->lock);
	r = remote_request(remote, CONTROL_REDUCE, &body, sizeof body, NULL, sizeof reduced, reason,
			   reason_bytes);
	if (r == 0) {
		memcpy(&reduced, remote->reply.body, sizeof reduced);
		*ret_word = le64_get(reduced.word);
	}
	pthread_mutex_unlock(&session->lock);
	remote_yield_to_heartbeat(remote);
	return r;
}
