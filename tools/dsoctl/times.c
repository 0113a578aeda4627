/* SPDX-License-Identifier: Apache-2.0 */
/* How long dsoctl waits: for storaged to open a session and to answer, and for others. */
#include "tools/dsoctl/course.h"
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define SILENCE_NS_DEFAULT (3 * DSO_SECOND)
/* A session is not waited for any longer, whatever --timeout allows. */
#define OPENING_NS_MAX (10 * DSO_SECOND)
/* How late a machine may be, beyond the times that dsoctl keeps itself. */
#define LINGER_MARGIN_NS DSO_SECOND

int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * DSO_SECOND + now.tv_nsec;
}

/* How long storaged may be silent: as asked for, or by default. */
static int64_t silence_ns(const struct dsoctl *ctl)
{
	const char *text = getenv("DSO_TIMEOUT_MS");
	uint64_t ms;

	if (ctl->silence_ns)
		return ctl->silence_ns;
	/* dso_open() says what is wrong with any other text. */
	if (text && parse_number(text, 1, INT64_MAX / DSO_MILLISECOND, &ms) == 0)
		return (int64_t)ms * DSO_MILLISECOND;
	return SILENCE_NS_DEFAULT;
}

/* How long opening the session may take; 0: the library's default. */
static int64_t opening_ns(const struct dsoctl *ctl)
{
	int64_t silent_ns = silence_ns(ctl);

	if (ctl->wait_ns == DSO_FOREVER && ctl->silence_ns)
		return ctl->silence_ns;
	if (ctl->wait_ns == DSO_FOREVER || ctl->wait_ns > OPENING_NS_MAX)
		return 0;
	/* However short the wait for others is: a silent storaged is not a holder. */
	return ctl->wait_ns > silent_ns ? ctl->wait_ns : silent_ns;
}

/*
 * The time from the break of a connection to the end of the work that runs under the hold. It is
 * the time until the break is noticed, which is the silence where nothing tells of it, until the
 * next look, until SIGKILL, and until the look after that.
 */
static int64_t linger_ns(const struct dsoctl *ctl, int64_t silent_ns)
{
	/* queue pop runs one only where it is given; run holds nothing for it. */
	if (!command_runs_another(ctl->command) || !command_has_name(ctl->command) ||
	    ctl->operand_count < 2)
		return 0;
	return silent_ns + COURSE_GRACE_NS + 2 * COURSE_AGAIN_NS + LINGER_MARGIN_NS;
}

struct dso_options dsoctl_options(const struct dsoctl *ctl)
{
	return (struct dso_options){.transport = ctl->transport,
				    .timeout = ctl->silence_ns,
				    .open_timeout = opening_ns(ctl),
				    .linger = linger_ns(ctl, silence_ns(ctl))};
}

int open_session(struct dsoctl *ctl)
{
	struct dso_options options = dsoctl_options(ctl);
	struct dso_server_stat stat;
	int64_t silent_ns = silence_ns(ctl);
	int r = dso_open(ctl->url, &options, &ctl->session);

	/* storaged may allow no linger for the whole of --silence, although its TTL makes the
	 * silence shorter. A session without a linger can ask for the TTL. */
	if (r != -EINVAL || options.linger == 0)
		return r;
	options.linger = 0;
	r = dso_open(ctl->url, &options, &ctl->session);
	if (r == 0)
		r = dso_server_stat(ctl->session, &stat);
	if (r)
		return r;
	dso_close(ctl->session);
	ctl->session = NULL;
	if (silent_ns > stat.session_ttl - stat.session_ttl / 4)
		silent_ns = stat.session_ttl - stat.session_ttl / 4;
	options.linger = linger_ns(ctl, silent_ns);
	return dso_open(ctl->url, &options, &ctl->session);
}

int64_t time_left(const struct dsoctl *ctl)
{
	int64_t left_ns = ctl->begun_ns + ctl->wait_ns - now_ns();

	if (ctl->wait_ns == DSO_FOREVER || ctl->wait_ns == DSO_NOWAIT)
		return ctl->wait_ns;
	return left_ns > 0 ? left_ns : DSO_NOWAIT;
}
