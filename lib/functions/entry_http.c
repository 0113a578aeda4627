/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions behind HTTP, as Knative and of-watchdog's mode "http" have them: a server on $PORT. It
 * has a thread of its own, so that it tells that it is healthy while an invocation goes on. The
 * main thread runs invocations, one at a time, since a session is one thread's; a second one is
 * told 429, upon which its platform starts another instance.
 */
#include "lib/functions/entry.h"
#include "lib/functions/invocation.h"
#include "lib/functions/loaded/jansson.h"
#include "lib/functions/loaded/microhttpd.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 8080

/* What a request is about; of one connection, until it is answered. */
struct http_request {
	struct MHD_Connection *connection;
	char *body; /* freed with it */
	size_t bytes;
	unsigned status; /* 0: it is not answered yet */
	char *answer;    /* handed to the response */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct http_request *current; /* which the main thread runs or is to run */

/* ---- the server's thread ---- */

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *text,
			       enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response =
		microhttpd.create_response_from_buffer(strlen(text), (void *)text, mode);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	microhttpd.add_response_header(response, "Content-Type", "application/json");
	if (status == MHD_HTTP_TOO_MANY_REQUESTS)
		microhttpd.add_response_header(response, "Retry-After", "1");
	result = microhttpd.queue_response(connection, status, response);
	microhttpd.destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned status, const char *text)
{
	return respond(connection, status, text, MHD_RESPMEM_PERSISTENT);
}

/* Returns whether there is room for it. */
static bool take_body(struct http_request *request, const char *bytes, size_t count)
{
	char *wider;

	if (request->bytes + count > PAYLOAD_BYTES_MAX)
		return false;
	wider = realloc(request->body, request->bytes + count);
	if (!wider)
		return false;
	memcpy(wider + request->bytes, bytes, count);
	request->body = wider;
	request->bytes += count;
	return true;
}

/* Have the main thread run it. Returns whether that is free. */
static bool hand_over(struct http_request *request)
{
	bool is_free;

	pthread_mutex_lock(&lock);
	is_free = !current;
	if (is_free) {
		microhttpd.suspend_connection(request->connection);
		current = request;
		pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
	return is_free;
}

static enum MHD_Result answer(struct http_request *request)
{
	char *text = request->answer;

	request->answer = NULL;
	return text ? respond(request->connection, request->status, text, MHD_RESPMEM_MUST_FREE)
		    : say(request->connection, request->status, "{\"served\":0}");
}

static enum MHD_Result handle(void *unused, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *bytes,
			      size_t *count, void **context)
{
	struct http_request *request = *context;

	if (!request) {
		request = *context = calloc(1, sizeof *request);
		if (request)
			request->connection = connection;
		return request ? MHD_YES : MHD_NO;
	}
	if (*count) {
		if (!request->status && !take_body(request, bytes, *count))
			request->status = MHD_HTTP_CONTENT_TOO_LARGE;
		*count = 0;
		return MHD_YES;
	}
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return say(connection, MHD_HTTP_OK, "{\"healthy\":true}");
	if (strcmp(method, "POST") != 0)
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "{\"served\":0,\"error\":\"an invocation is a POST\",\"refused\":true}");
	if (request->status == MHD_HTTP_CONTENT_TOO_LARGE)
		return say(connection, request->status,
			   "{\"served\":0,\"error\":\"the payload has more than 1 MiB\","
			   "\"refused\":true}");
	if (request->status)
		return answer(request);
	if (hand_over(request))
		return MHD_YES;
	return say(connection, MHD_HTTP_TOO_MANY_REQUESTS,
		   "{\"served\":0,\"error\":\"this instance runs another invocation\"}");
}

static void complete(void *unused, struct MHD_Connection *connection, void **context,
		     enum MHD_RequestTerminationCode code)
{
	struct http_request *request = *context;

	if (!request)
		return;
	free(request->body);
	free(request->answer);
	free(request);
	*context = NULL;
}

/* ---- the main thread ---- */

static struct http_request *next_request(void)
{
	struct http_request *request;

	pthread_mutex_lock(&lock);
	while (!current)
		pthread_cond_wait(&changed, &lock);
	request = current;
	pthread_mutex_unlock(&lock);
	return request;
}

/* A suspended connection stays, so the request does, until it is resumed. */
static void serve(struct warm *warm, struct http_request *request)
{
	struct answer answer;

	invocation_serve(warm, request->body ? request->body : "", request->bytes, INT64_MAX,
			 &answer);
	if (*answer.error)
		entry_fail("an invocation", answer.error);
	request->answer = answer_write(&answer);
	request->status = answer.is_refused ? MHD_HTTP_BAD_REQUEST
			  : *answer.error   ? MHD_HTTP_INTERNAL_SERVER_ERROR
					    : MHD_HTTP_OK;
	pthread_mutex_lock(&lock);
	current = NULL;
	microhttpd.resume_connection(request->connection);
	pthread_mutex_unlock(&lock);
}

static uint16_t port(void)
{
	const char *text = getenv("PORT");
	long number = text && *text ? strtol(text, NULL, 10) : PORT_DEFAULT;

	return number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

int entry_http(void)
{
	const unsigned flags =
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_AUTO;
	char why[SENTENCE_BYTES_MAX + 1];
	struct warm warm = {0};

	if (microhttpd_load(why) || jansson_load(why))
		return entry_fail("cannot serve HTTP", why);
	if (port() == 0)
		return entry_fail("cannot serve HTTP", "PORT is no port");
	entry_end_by_sigterm();
	if (!microhttpd.start_daemon(flags, port(), NULL, NULL, handle, NULL,
				     MHD_OPTION_NOTIFY_COMPLETED, complete, NULL, MHD_OPTION_END)) {
		snprintf(why, sizeof why, "port %u: %s", port(), strerror(errno));
		return entry_fail("cannot serve HTTP", why);
	}
	for (;;)
		serve(&warm, next_request());
}
