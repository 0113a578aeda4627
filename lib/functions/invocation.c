/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/invocation.h"

#include "lib/core/clock.h"
#include "lib/functions/definitions.h"
#include "lib/functions/loaded/jansson.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The part of its time, and the most, for which a worker that is to leave begins no call. */
#define MARGIN_PART   10
#define MARGIN_NS_MAX (2 * DSO_SECOND)

static void refuse(struct answer *answer, const char *sentence)
{
	answer->is_refused = true;
	snprintf(answer->error, sizeof answer->error, "%s", sentence);
}

/* Begin no call after this. */
static int64_t leave_ns(const struct payload *payload, int64_t deadline_ns)
{
	int64_t now_ns = clock_now_ns(), leave_ns = INT64_MAX, margin_ns;

	if (deadline_ns != INT64_MAX) {
		margin_ns = (deadline_ns - now_ns) / MARGIN_PART;
		leave_ns = deadline_ns - (margin_ns < MARGIN_NS_MAX ? margin_ns : MARGIN_NS_MAX);
	}
	if (payload->serve_ms && now_ns + payload->serve_ms * DSO_MILLISECOND < leave_ns)
		leave_ns = now_ns + payload->serve_ms * DSO_MILLISECOND;
	return leave_ns;
}

/* Whoever deployed the function knows better where storaged is than the one who invokes it. */
static const char *url_of(const struct payload *payload)
{
	const char *own = getenv("DSO_URL");

	return own && *own ? own : *payload->url ? payload->url : NULL;
}

/* Have a worker with a session at the storaged that is asked for. */
static int warm_up(struct warm *warm, const char *url, char *why)
{
	const char *wanted = url ? url : "";

	if (warm->worker && strcmp(warm->url, wanted) == 0)
		return 0;
	worker_close(warm->worker);
	warm->worker = NULL;
	snprintf(warm->url, sizeof warm->url, "%s", wanted);
	return worker_open(url, &warm->worker, why, SENTENCE_BYTES_MAX + 1);
}

static void serve(struct warm *warm, const struct payload *payload, int64_t deadline_ns,
		  struct answer *answer)
{
	struct worker_term term = {
		.prefix = payload->prefix,
		.tell_fd = -1,
		.idle_ns = payload->idle_ms * DSO_MILLISECOND,
		.leave_ns = leave_ns(payload, deadline_ns),
		.calls_max = UINT64_MAX,
	};

	if (warm_up(warm, url_of(payload), answer->error))
		return;
	if (worker_serve(warm->worker, &term, &answer->served, answer->error,
			 sizeof answer->error) == -ENOENT)
		snprintf(answer->error, sizeof answer->error,
			 "there is no executor %s at %.200s: it is closed, or its driver uses "
			 "another "
			 "storaged or namespace",
			 payload->prefix, *warm->url ? warm->url : "the default storaged");
}

void invocation_serve(struct warm *warm, const char *text, size_t bytes, int64_t deadline_ns,
		      struct answer *ret_answer)
{
	uint8_t build[MESSAGE_BUILD_BYTES];
	char why[SENTENCE_BYTES_MAX + 1];
	struct payload payload;

	*ret_answer = (struct answer){0};
	if (jansson_load(why) || payload_read(text, bytes, &payload, why))
		refuse(ret_answer, why);
	else if (build_of_this(build))
		refuse(ret_answer, "the function cannot read its own binary");
	else if (memcmp(build, payload.build, sizeof build) != 0)
		refuse(ret_answer, "the function's binary is not its driver's; deploy both from "
				   "one build");
	else
		serve(warm, &payload, deadline_ns, ret_answer);
}
