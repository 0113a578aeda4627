/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "podman:IMAGE": an invocation is a container of this host, which is created, started, waited for
 * and removed by libpod's REST API. Its entry point is the program, which writes its answer to
 * standard output: the engine's log of the container has it.
 */
#include "lib/functions/container.h"
#include "lib/functions/platform.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API "http://podman/v4.0.0/libpod/containers/"
/* Of a request, except that which waits. An engine that has much to do takes seconds. */
#define SHORT_MS 30000
/* A frame of a log: the stream, three zero bytes, a length with the highest byte first. */
#define FRAME_BYTES 8

struct platform_of_podman {
	struct platform base;
	char socket[108];
	struct container container;
	bool has_pruned;
	char *body; /* of the request under way */
};

/* What an invocation has asked for, or is to ask for. */
enum {
	NOTHING,
	PRUNING, /* what drivers have left that are gone: once an executor */
	CREATION,
	BEGINNING,
	REST, /* before it waits again */
	WAITING,
	LOG,
	DELETION, /* and then it is over */
	END,      /* a deletion as the executor is closed */
};

/* ---- opening ---- */

static bool take_option(void *context, const char *key, const char *value)
{
	struct platform_of_podman *podman = context;

	if (strcmp(key, "socket") == 0)
		return platform_copy(podman->socket, sizeof podman->socket, value);
	return container_take_option(&podman->container, key, value);
}

/* Where podman's own tools look for it. */
static int find_socket(struct platform_of_podman *podman, char *why)
{
	static const char scheme[] = "unix://";
	const char *host = getenv("CONTAINER_HOST"), *runtime = getenv("XDG_RUNTIME_DIR");
	char path[sizeof podman->socket + 32] = "/run/podman/podman.sock";

	if (*podman->socket)
		snprintf(path, sizeof path, "%s", podman->socket);
	else if (host && *host && strncmp(host, scheme, sizeof scheme - 1) != 0)
		return platform_refuse(why, "CONTAINER_HOST is unix://PATH, or not set");
	else if (host && *host)
		snprintf(path, sizeof path, "%s", host + sizeof scheme - 1);
	else if (geteuid() != 0 && runtime && *runtime)
		snprintf(path, sizeof path, "%s/podman/podman.sock", runtime);
	if (!platform_copy(podman->socket, sizeof podman->socket, path))
		return platform_refuse(why, "the path of podman's socket is too long");
	if (access(path, F_OK) == 0)
		return 0;
	snprintf(why, SENTENCE_BYTES_MAX + 1,
		 "podman does not listen at %s: start `podman system service --time 0 unix://%s`, "
		 "or say by CONTAINER_HOST or ?socket= where it does",
		 path, path);
	return -EINVAL;
}

static int read_podman(struct platform *platform, char *why)
{
	struct platform_of_podman *podman = (struct platform_of_podman *)platform;
	const char *more = platform->request.more;
	size_t length = strcspn(more, "?");
	char image[512];
	int r;

	if (length == 0 || length >= sizeof image)
		return platform_refuse(
			why,
			"\"podman:\" is followed by the name of an image, of at most 511 bytes");
	memcpy(image, more, length);
	image[length] = 0;
	r = container_open(&podman->container, image, why);
	if (r == 0 && more[length])
		r = platform_read_options(more + length + 1, &platform->options, take_option,
					  podman, why);
	if (r == 0)
		r = find_socket(podman, why);
	return r ? r
		 : container_complete(&podman->container, &platform->request,
				      platform->options.timeout_ms, why);
}

static void clear(struct platform *platform)
{
	struct platform_of_podman *podman = (struct platform_of_podman *)platform;

	container_free(&podman->container);
	free(podman->body);
}

/* ---- requests ---- */

/* @what is done to the container @name, "" for none of them. */
static enum step ask(struct platform_of_podman *podman, const char *method, const char *name,
		     const char *what, struct platform_request *request)
{
	const struct platform_options *options = &podman->base.options;

	request->method = method;
	request->socket = podman->socket;
	request->is_short = true;
	request->timeout_ms = options->timeout_ms < SHORT_MS ? options->timeout_ms : SHORT_MS;
	snprintf(request->url, sizeof request->url, API "%s%s", name, what);
	return STEP_REQUEST;
}

/* Containers that have ended, and are older than a worker becomes. */
static enum step prune(struct platform_of_podman *podman, struct invocation *invocation,
		       struct platform_request *request)
{
	char what[128];

	podman->has_pruned = true;
	invocation->step = PRUNING;
	/* {"label":["dso-rdma=worker"],"until":["3600s"]} */
	snprintf(what, sizeof what,
		 "prune?filters=%%7B%%22label%%22:%%5B%%22" CONTAINER_LABEL
		 "%%22%%5D,%%22until%%22:%%5B%%22%llds%%22%%5D%%7D",
		 (long long)podman->base.options.timeout_ms / 1000 + SHORT_MS / 1000);
	return ask(podman, "POST", "", what, request);
}

static enum step create(struct platform_of_podman *podman, struct invocation *invocation,
			struct platform_request *request)
{
	if (!podman->has_pruned)
		return prune(podman, invocation, request);
	if (platform_draw_name(invocation)) {
		free(podman->body);
		podman->body =
			container_write(&podman->container, invocation->id, podman->base.payload);
		request->body = podman->body;
	}
	if (!request->body) {
		snprintf(invocation->why, sizeof invocation->why, "a container cannot be written");
		return STEP_FAILED;
	}
	invocation->step = CREATION;
	return ask(podman, "POST", "", "create", request);
}

/* The engine ends the container before the answer is given up. */
static enum step wait_for(struct platform_of_podman *podman, struct invocation *invocation,
			  struct platform_request *request)
{
	invocation->step = WAITING;
	ask(podman, "POST", invocation->id, "/wait", request);
	request->is_short = false;
	request->timeout_ms = podman->base.options.timeout_ms + SHORT_MS;
	return STEP_REQUEST;
}

/* @step is what is asked for: DELETION or END. */
static enum step drop(struct platform_of_podman *podman, struct invocation *invocation,
		      unsigned step, struct platform_request *request)
{
	if (invocation->step != step)
		invocation->misses = 0;
	invocation->step = step;
	return ask(podman, "DELETE", invocation->id, "?force=true&v=true&timeout=0", request);
}

/* ---- answers ---- */

static bool is_success(const struct invocation *invocation)
{
	return invocation->code == CURLE_OK && invocation->status / 100 == 2;
}

/* Say in the invocation's sentence what the engine has to say of its failure. Returns STEP_REFUSED
 * where each container would fail likewise. */
static enum step read_failure(struct invocation *invocation, const char *what)
{
	const char *cause = "", *message = NULL;
	enum step step = STEP_FAILED;
	json_error_t error;
	json_t *root =
		invocation->code == CURLE_OK
			? jansson.loadb(invocation->answer, invocation->answer_bytes, 0, &error)
			: NULL;

	platform_fail(invocation, what);
	if (root && jansson.unpack_ex(root, &error, 0, "{s?:s, s:s}", "cause", &cause, "message",
				      &message) == 0)
		snprintf(invocation->why, sizeof invocation->why, "%s: %.400s", what, message);
	if (strcmp(cause, "image not known") == 0 ||
	    strcmp(cause, "OCI runtime attempted to invoke a command that was not found") == 0)
		step = STEP_REFUSED;
	if (root)
		jansson.delete(root);
	return step;
}

/* It is over as @outcome says, once the container is gone, which may be there. */
static enum step finish(struct platform_of_podman *podman, struct invocation *invocation,
			enum step outcome, struct platform_request *request)
{
	invocation->outcome = outcome;
	return drop(podman, invocation, DELETION, request);
}

static enum step take_creation(struct platform_of_podman *podman, struct invocation *invocation,
			       struct platform_request *request)
{
	if (!is_success(invocation))
		return finish(podman, invocation,
			      read_failure(invocation, "a container cannot be created"), request);
	invocation->step = BEGINNING;
	return ask(podman, "POST", invocation->id, "/start", request);
}

static enum step take_beginning(struct platform_of_podman *podman, struct invocation *invocation,
				struct platform_request *request)
{
	if (!is_success(invocation))
		return finish(podman, invocation,
			      read_failure(invocation, "a container cannot be started"), request);
	return wait_for(podman, invocation, request);
}

/* The answer is the status that the container has ended with. */
static enum step take_end(struct platform_of_podman *podman, struct invocation *invocation,
			  struct platform_request *request)
{
	long status;
	char *end;

	if (invocation->code != CURLE_OPERATION_TIMEDOUT && platform_may_try_again(invocation)) {
		invocation->step = REST;
		return platform_pause(invocation);
	}
	if (!is_success(invocation))
		return finish(podman, invocation,
			      read_failure(invocation, "a container cannot be waited for"),
			      request);
	status = strtol(invocation->answer, &end, 10);
	if (end == invocation->answer || end[strspn(end, "\r\n")])
		return finish(podman, invocation,
			      platform_fail(invocation, "a container has no status"), request);
	/* Where there is no better one. */
	snprintf(invocation->why, sizeof invocation->why, "a container ended with status %ld",
		 status);
	invocation->step = LOG;
	return ask(podman, "GET", invocation->id, "/logs?stdout=true&stderr=true", request);
}

/* The next frame at *position of a log of @bytes. Returns whether there is a whole one. */
static bool next_frame(const char *log, size_t bytes, size_t *position, unsigned *ret_stream,
		       size_t *ret_length)
{
	const uint8_t *frame = (const uint8_t *)log + *position;

	if (bytes - *position < FRAME_BYTES)
		return false;
	*ret_stream = frame[0];
	*ret_length = (size_t)frame[4] << 24 | (size_t)frame[5] << 16 | (size_t)frame[6] << 8 |
		      (size_t)frame[7];
	*position += FRAME_BYTES;
	return *ret_length <= bytes - *position;
}

/* The answer is the last line of standard output. Where there is none, the last words of either
 * stream say why, or else the status. */
static enum step read_log(struct invocation *invocation)
{
	const char *log = invocation->answer, *answer = NULL, *words = NULL;
	size_t position = 0, length, answer_bytes = 0, words_bytes = 0;
	unsigned stream;

	for (; next_frame(log, invocation->answer_bytes, &position, &stream, &length);
	     position += length) {
		const char *line = log + position;

		if (length && stream == STDOUT_FILENO && *line == '{') {
			answer = line;
			answer_bytes = length;
		} else if (length && !isspace((unsigned char)*line)) {
			words = line;
			words_bytes = length;
		}
	}
	return answer  ? platform_read_output(invocation, answer, answer_bytes)
	       : words ? platform_read_output(invocation, words, words_bytes)
		       : STEP_FAILED;
}

static enum step take_log(struct platform_of_podman *podman, struct invocation *invocation,
			  struct platform_request *request)
{
	return finish(podman, invocation,
		      is_success(invocation) ? read_log(invocation) : STEP_FAILED, request);
}

static enum step advance(struct platform *platform, struct invocation *invocation,
			 struct platform_request *request)
{
	struct platform_of_podman *podman = (struct platform_of_podman *)platform;

	switch (invocation->step) {
	case NOTHING:
	case PRUNING:
		return create(podman, invocation, request);
	case CREATION:
		return take_creation(podman, invocation, request);
	case BEGINNING:
		return take_beginning(podman, invocation, request);
	case REST:
		return wait_for(podman, invocation, request);
	case WAITING:
		return take_end(podman, invocation, request);
	case LOG:
		return take_log(podman, invocation, request);
	default:
		return platform_may_try_again(invocation)
			       ? drop(podman, invocation, DELETION, request)
			       : invocation->outcome;
	}
}

static enum step end(struct platform *platform, struct invocation *invocation,
		     struct platform_request *request)
{
	struct platform_of_podman *podman = (struct platform_of_podman *)platform;

	if (invocation->step <= PRUNING ||
	    (invocation->step >= DELETION && !platform_may_try_again(invocation)))
		return STEP_SERVED;
	return drop(podman, invocation, END, request);
}

/* A container begins in half a second. */
const struct platform_ops platform_podman = {
	.defaults = {.timeout_ms = 3600000, .idle_ms = 5000, .failures = 16},
	.bytes = sizeof(struct platform_of_podman),
	.read = read_podman,
	.advance = advance,
	.end = end,
	.clear = clear};
