/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Lambda's Runtime API, as a custom runtime uses it: GET .../invocation/next waits for an
 * event, whose answer is a POST to .../invocation/ID/response or .../error. Between the two GETs
 * the platform may freeze this process for as long as it likes.
 */
#include "lib/core/clock.h"
#include "lib/functions/definitions.h"
#include "lib/functions/entry.h"
#include "lib/functions/invocation.h"
#include "lib/functions/loaded/curl.h"
#include "lib/functions/loaded/jansson.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ID_BYTES_MAX  128
#define URL_BYTES_MAX 512

struct lambda {
	char base[URL_BYTES_MAX / 2]; /* "http://HOST:PORT/2018-06-01/runtime" */
	CURL *easy;
	/* of the event that came last */
	char id[ID_BYTES_MAX + 1];
	int64_t deadline_ns; /* of clock_now_ns() */
	char *event;
	size_t bytes;
};

/* ---- what comes ---- */

/* The deadline is in milliseconds since 1970. */
static int64_t monotonic_ns(const char *since_1970_ms)
{
	struct timespec now;
	char *end;
	long long ms = strtoll(since_1970_ms, &end, 10);

	clock_gettime(CLOCK_REALTIME, &now);
	if (end == since_1970_ms || ms <= 0 || ms > INT64_MAX / DSO_MILLISECOND)
		return INT64_MAX;
	return clock_now_ns() + ms * DSO_MILLISECOND - now.tv_sec * DSO_SECOND - now.tv_nsec;
}

/* Copy the value of @line where it begins with @name, without what is around it. */
static bool is_header(const char *line, size_t bytes, const char *name, char *value,
		      size_t value_bytes)
{
	size_t length = strlen(name);

	if (bytes <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
		return false;
	for (line += length + 1, bytes -= length + 1; bytes && *line == ' '; line++)
		bytes--;
	while (bytes && strchr("\r\n ", line[bytes - 1]))
		bytes--;
	bytes = bytes < value_bytes ? bytes : 0;
	memcpy(value, line, bytes);
	value[bytes] = 0;
	return true;
}

static size_t take_header(char *line, size_t one, size_t bytes, void *context)
{
	struct lambda *lambda = context;
	char deadline[32];

	is_header(line, bytes, "Lambda-Runtime-Aws-Request-Id", lambda->id, sizeof lambda->id);
	if (is_header(line, bytes, "Lambda-Runtime-Deadline-Ms", deadline, sizeof deadline))
		lambda->deadline_ns = monotonic_ns(deadline);
	return bytes;
}

static size_t take_event(char *bytes, size_t one, size_t count, void *context)
{
	struct lambda *lambda = context;
	size_t room = PAYLOAD_BYTES_MAX + 1 - lambda->bytes;
	/* One that is too long is cut, so that it is refused with an answer. */
	size_t taken = count < room ? count : room;
	char *wider = taken ? realloc(lambda->event, lambda->bytes + taken) : lambda->event;

	if (taken && !wider)
		return 0;
	if (taken)
		memcpy(wider + lambda->bytes, bytes, taken);
	lambda->event = wider;
	lambda->bytes += taken;
	return count;
}

static size_t drop(char *bytes, size_t one, size_t count, void *context)
{
	return count;
}

/* ---- requests ---- */

/* @path follows the base. Returns 0 when the API has answered with a status of 2xx. */
static int request(struct lambda *lambda, const char *path, const char *body, const char *error)
{
	char url[URL_BYTES_MAX], header[128];
	struct curl_slist *headers = NULL;
	long status = 0;
	CURLcode code;

	snprintf(url, sizeof url, "%s/%s", lambda->base, path);
	curl.easy_setopt(lambda->easy, CURLOPT_URL, url);
	curl.easy_setopt(lambda->easy, CURLOPT_HTTPGET, 1L);
	if (body) {
		curl.easy_setopt(lambda->easy, CURLOPT_POST, 1L);
		curl.easy_setopt(lambda->easy, CURLOPT_POSTFIELDS, body);
		curl.easy_setopt(lambda->easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
		headers = curl.slist_append(headers, "Content-Type: application/json");
	}
	if (error) {
		snprintf(header, sizeof header, "Lambda-Runtime-Function-Error-Type: %s", error);
		headers = curl.slist_append(headers, header);
	}
	curl.easy_setopt(lambda->easy, CURLOPT_HTTPHEADER, headers);
	curl.easy_setopt(lambda->easy, CURLOPT_WRITEFUNCTION, body ? drop : take_event);
	code = curl.easy_perform(lambda->easy);
	curl.easy_getinfo(lambda->easy, CURLINFO_RESPONSE_CODE, &status);
	curl.slist_free_all(headers);
	return code == CURLE_OK && status / 100 == 2 ? 0 : -EIO;
}

/* Wait for an event, for however long there is none. */
static int next(struct lambda *lambda)
{
	free(lambda->event);
	lambda->event = NULL;
	lambda->bytes = 0;
	*lambda->id = 0;
	lambda->deadline_ns = INT64_MAX;
	if (request(lambda, "invocation/next", NULL, NULL))
		return -EIO;
	/* It becomes a part of a path. */
	return *lambda->id && strspn(lambda->id,
				     "0123456789abcdefghijklmnopqrstuvwxyz"
				     "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == strlen(lambda->id)
		       ? 0
		       : -EPROTO;
}

static char *write_error(const char *type, const char *sentence)
{
	json_t *root = jansson.pack("{s:s,s:s}", "errorType", type, "errorMessage", sentence);
	char *text = root ? jansson.dumps(root, JSON_COMPACT) : NULL;

	if (root)
		jansson.delete(root);
	return text;
}

static int answer(struct lambda *lambda, const struct answer *answer)
{
	const char *type = answer->is_refused ? ENTRY_LAMBDA_REFUSED : ENTRY_LAMBDA_FAILED;
	bool is_error = *answer->error != 0;
	char *text = is_error ? write_error(type, answer->error) : answer_write(answer);
	char path[ID_BYTES_MAX + 64];
	int r;

	snprintf(path, sizeof path, "invocation/%s/%s", lambda->id,
		 is_error ? "error" : "response");
	r = text ? request(lambda, path, text, is_error ? type : NULL) : -ENOMEM;
	free(text);
	return r;
}

/* ---- the entry ---- */

static int open_lambda(struct lambda *lambda, const char *api, char *why)
{
	snprintf(lambda->base, sizeof lambda->base, "http://%s/2018-06-01/runtime", api);
	if (curl_load(why) || jansson_load(why))
		return -EOPNOTSUPP;
	curl.global_init(CURL_GLOBAL_ALL);
	lambda->easy = curl.easy_init();
	if (!lambda->easy) {
		snprintf(why, SENTENCE_BYTES_MAX + 1, "out of memory");
		return -ENOMEM;
	}
	curl.easy_setopt(lambda->easy, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(lambda->easy, CURLOPT_PROXY, "");
	curl.easy_setopt(lambda->easy, CURLOPT_HEADERFUNCTION, take_header);
	curl.easy_setopt(lambda->easy, CURLOPT_HEADERDATA, lambda);
	curl.easy_setopt(lambda->easy, CURLOPT_WRITEDATA, lambda);
	return 0;
}

/* What every invocation would fail for is told before the first one. */
static int check(struct lambda *lambda)
{
	uint8_t build[MESSAGE_BUILD_BYTES];
	char *text;

	if (build_of_this(build) == 0)
		return 0;
	text = write_error(ENTRY_LAMBDA_FAILED, "the function cannot read its own binary");
	if (text)
		request(lambda, "init/error", text, ENTRY_LAMBDA_FAILED);
	free(text);
	return -EIO;
}

int entry_lambda(const char *api)
{
	struct lambda lambda = {0};
	struct warm warm = {0};
	char why[SENTENCE_BYTES_MAX + 1];

	if (open_lambda(&lambda, api, why))
		return entry_fail("cannot serve AWS Lambda", why);
	if (check(&lambda))
		return entry_fail("cannot serve AWS Lambda", "it cannot read its own binary");
	entry_end_by_sigterm();
	while (next(&lambda) == 0) {
		struct answer result;

		invocation_serve(&warm, lambda.event ? lambda.event : "", lambda.bytes,
				 lambda.deadline_ns, &result);
		if (*result.error)
			entry_fail("an invocation", result.error);
		/* An answer that comes too late is refused, and the next event counts. */
		answer(&lambda, &result);
	}
	return entry_fail("cannot serve AWS Lambda", "its Runtime API is not there any more");
}
