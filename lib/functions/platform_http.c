/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "http:" and "https:": the URL of a function behind a gateway, as OpenFaaS's and Knative's. An
 * invocation is a POST to it, whose answer comes when the worker leaves. Options are the URL's
 * fragment, which a client does not send.
 */
#include "lib/functions/platform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct platform_of_http {
	struct platform base;
	char url[PLATFORM_URL_BYTES];
};

static void close_http(struct platform *platform)
{
	free(platform);
}

static int open_url(const char *scheme, const char *more, struct platform **ret_platform, char *why)
{
	struct platform_of_http *http = calloc(1, sizeof *http);
	size_t length = strcspn(more, "#");
	int r = 0;

	if (!http || strlen(scheme) + length >= sizeof http->url) {
		snprintf(why, SENTENCE_BYTES_MAX + 1,
			 http ? "the URL is too long" : "out of memory");
		r = http ? -EINVAL : -ENOMEM;
		free(http);
		return r;
	}
	snprintf(http->url, sizeof http->url, "%s%.*s", scheme, (int)length, more);
	http->base.options = platform_http.defaults;
	if (more[length])
		r = platform_read_options(more + length + 1, &http->base.options, NULL, NULL, why);
	if (r) {
		free(http);
		return r;
	}
	*ret_platform = &http->base;
	return 0;
}

static int open_http(const char *more, const struct workers_request *request,
		     struct platform **ret_platform, char *why)
{
	return open_url("http:", more, ret_platform, why);
}

static int open_https(const char *more, const struct workers_request *request,
		      struct platform **ret_platform, char *why)
{
	return open_url("https:", more, ret_platform, why);
}

static enum step advance(struct platform *platform, struct invocation *invocation,
			 struct platform_request *request)
{
	struct platform_of_http *http = (struct platform_of_http *)platform;

	if (invocation->step++ > 0)
		return platform_read_answer(invocation);
	request->method = "POST";
	request->body = platform->payload;
	request->timeout_ms = platform->options.timeout_ms;
	strcpy(request->url, http->url);
	return STEP_REQUEST;
}

/* What Knative's revisions and many gateways allow an invocation. */
#define HTTP_DEFAULTS                                                 \
	{                                                             \
		.timeout_ms = 300000, .idle_ms = 1000, .failures = 16 \
	}

const struct platform_ops platform_http = {
	.defaults = HTTP_DEFAULTS, .open = open_http, .advance = advance, .close = close_http};

const struct platform_ops platform_https = {
	.defaults = HTTP_DEFAULTS, .open = open_https, .advance = advance, .close = close_http};
