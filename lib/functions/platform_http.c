/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "http:" and "https:": the URL of a function behind a gateway, as OpenFaaS's and Knative's. An
 * invocation is a POST to it, whose answer comes when the worker leaves. Options are the URL's
 * fragment, which a client does not send.
 */
#include "lib/functions/platform.h"

#include <stdio.h>
#include <string.h>

struct platform_of_http {
	struct platform base;
	char url[PLATFORM_URL_BYTES];
};

static int read_url(struct platform *platform, const char *scheme, char *why)
{
	struct platform_of_http *http = (struct platform_of_http *)platform;
	const char *more = platform->request.more;
	size_t length = strcspn(more, "#");

	if (strlen(scheme) + length >= sizeof http->url)
		return platform_refuse(why, "the URL is too long");
	snprintf(http->url, sizeof http->url, "%s%.*s", scheme, (int)length, more);
	return more[length] ? platform_read_options(more + length + 1, &platform->options, NULL,
						    NULL, why)
			    : 0;
}

static int read_http(struct platform *platform, char *why)
{
	return read_url(platform, "http:", why);
}

static int read_https(struct platform *platform, char *why)
{
	return read_url(platform, "https:", why);
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

const struct platform_ops platform_http = {.defaults = HTTP_DEFAULTS,
					   .bytes = sizeof(struct platform_of_http),
					   .read = read_http,
					   .advance = advance};

const struct platform_ops platform_https = {.defaults = HTTP_DEFAULTS,
					    .bytes = sizeof(struct platform_of_http),
					    .read = read_https,
					    .advance = advance};
