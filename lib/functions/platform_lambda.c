/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "lambda:FUNCTION": AWS Lambda's Invoke, signed by libcurl. The region and the credentials are
 * those of the environment, as AWS's own tools read them. An invocation is answered when the
 * worker leaves.
 */
#include "lib/functions/entry.h"
#include "lib/functions/loaded/jansson.h"
#include "lib/functions/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 64 /* of a function: Lambda's own limit */

struct platform_of_lambda {
	struct platform base;
	char name[NAME_BYTES_MAX + 1];
	char region[64];
	char endpoint[512]; /* "https://lambda.REGION.amazonaws.com" */
	char signature[100];
	char credentials[512];
	char session[4096]; /* a header with the token of temporary credentials; "": none */
};

/* ---- opening ---- */

static bool take_option(void *context, const char *key, const char *value)
{
	struct platform_of_lambda *lambda = context;

	if (strcmp(key, "region") == 0)
		return platform_copy(lambda->region, sizeof lambda->region, value);
	if (strcmp(key, "endpoint") == 0)
		return platform_copy(lambda->endpoint, sizeof lambda->endpoint, value);
	return false;
}

static const char *environment(const char *variable)
{
	const char *text = getenv(variable);

	return text ? text : "";
}

/* A name that needs no encoding in a path. */
static int read_name(struct platform_of_lambda *lambda, const char *more, char *why)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789-_";
	size_t length = strcspn(more, "?");

	if (length == 0 || length > NAME_BYTES_MAX || strspn(more, allowed) != length)
		return platform_refuse(
			why, "\"lambda:\" is followed by the name of a function, of letters, "
			     "digits, - and _");
	memcpy(lambda->name, more, length);
	return 0;
}

static int read_region(struct platform_of_lambda *lambda, char *why)
{
	const char *region = environment("AWS_REGION");

	if (!*lambda->region &&
	    !platform_copy(lambda->region, sizeof lambda->region,
			   *region ? region : environment("AWS_DEFAULT_REGION")))
		return platform_refuse(why, "the name of the region is too long");
	if (!*lambda->region)
		return platform_refuse(
			why, "no region is named: AWS_REGION is not set, and the URL has no "
			     "?region=");
	if (!*lambda->endpoint)
		snprintf(lambda->endpoint, sizeof lambda->endpoint,
			 "https://lambda.%s.amazonaws.com", lambda->region);
	snprintf(lambda->signature, sizeof lambda->signature, "aws:amz:%s:lambda", lambda->region);
	return 0;
}

static int read_credentials(struct platform_of_lambda *lambda, char *why)
{
	const char *key = environment("AWS_ACCESS_KEY_ID");
	const char *secret = environment("AWS_SECRET_ACCESS_KEY");
	const char *session = environment("AWS_SESSION_TOKEN");

	if (!*key || !*secret)
		return platform_refuse(
			why, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are to be set to the "
			     "credentials of a user who may invoke the function");
	if (snprintf(lambda->credentials, sizeof lambda->credentials, "%s:%s", key, secret) >=
	    (int)sizeof lambda->credentials)
		return platform_refuse(why, "the credentials are too long");
	if (*session &&
	    snprintf(lambda->session, sizeof lambda->session, "X-Amz-Security-Token: %s",
		     session) >= (int)sizeof lambda->session)
		return platform_refuse(why, "AWS_SESSION_TOKEN is too long");
	return 0;
}

static int read_lambda(struct platform *platform, char *why)
{
	struct platform_of_lambda *lambda = (struct platform_of_lambda *)platform;
	const char *more = platform->request.more, *options = strchr(more, '?');
	int r = read_name(lambda, more, why);

	if (r == 0 && options)
		r = platform_read_options(options + 1, &platform->options, take_option, lambda,
					  why);
	if (r == 0)
		r = read_region(lambda, why);
	return r ? r : read_credentials(lambda, why);
}

/* ---- an invocation ---- */

/* A function that failed has answered {"errorType": "...", "errorMessage": "..."}. */
static enum step read_outcome(struct invocation *invocation)
{
	const char *type = "", *message = NULL;
	enum step step = STEP_FAILED;
	json_error_t error;
	json_t *root =
		invocation->code == CURLE_OK
			? jansson.loadb(invocation->answer, invocation->answer_bytes, 0, &error)
			: NULL;

	if (root)
		jansson.unpack_ex(root, &error, 0, "{s?:s,s:s}", "errorType", &type, "errorMessage",
				  &message);
	if (message) {
		snprintf(invocation->why, sizeof invocation->why, "%s", message);
		step = strcmp(type, ENTRY_LAMBDA_REFUSED) == 0 ? STEP_REFUSED : STEP_FAILED;
	} else {
		step = platform_read_answer(invocation);
	}
	if (root)
		jansson.delete(root);
	return step;
}

static enum step advance(struct platform *platform, struct invocation *invocation,
			 struct platform_request *request)
{
	struct platform_of_lambda *lambda = (struct platform_of_lambda *)platform;

	if (invocation->step++ > 0)
		return read_outcome(invocation);
	request->method = "POST";
	request->body = platform->payload;
	request->signature = lambda->signature;
	request->credentials = lambda->credentials;
	request->timeout_ms = platform->options.timeout_ms;
	snprintf(request->header, sizeof request->header, "%s", lambda->session);
	snprintf(request->url, sizeof request->url, "%s/2015-03-31/functions/%s/invocations",
		 lambda->endpoint, lambda->name);
	return STEP_REQUEST;
}

/* The most that Lambda allows an invocation; the function's own limit ends it before. */
const struct platform_ops platform_lambda = {
	.defaults = {.timeout_ms = 900000, .idle_ms = 1000, .failures = 16},
	.bytes = sizeof(struct platform_of_lambda),
	.read = read_lambda,
	.advance = advance};
