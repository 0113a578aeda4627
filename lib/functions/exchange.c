/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 10000L

/* Of an answer that is too long nothing more is read, and it is a failure (CURLE_WRITE_ERROR). */
static size_t take_answer(char *bytes, size_t one, size_t count, void *context)
{
	struct exchange *exchange = context;
	size_t max = exchange->answer_max ? exchange->answer_max : 512;
	char *wider = exchange->answer;

	if (count > PAYLOAD_BYTES_MAX - exchange->answer_bytes)
		return 0;
	while (max < exchange->answer_bytes + count + 1)
		max *= 2;
	if (max != exchange->answer_max)
		wider = realloc(exchange->answer, max);
	if (!wider)
		return 0;
	exchange->answer = wider;
	exchange->answer_max = max;
	memcpy(wider + exchange->answer_bytes, bytes, count);
	exchange->answer_bytes += count;
	wider[exchange->answer_bytes] = 0;
	return count;
}

static bool add_header(struct exchange *exchange, const char *line)
{
	struct curl_slist *longer = *line ? curl.slist_append(exchange->headers, line) : NULL;

	exchange->headers = longer ? longer : exchange->headers;
	return !*line || longer;
}

static void free_request(struct exchange *exchange)
{
	if (exchange->headers)
		curl.slist_free_all(exchange->headers);
	if (exchange->easy)
		curl.easy_cleanup(exchange->easy);
	exchange->headers = NULL;
	exchange->easy = NULL;
}

static void set_body(CURL *easy, const char *body)
{
	if (!body)
		return;
	curl.easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	curl.easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
}

static void set_server(CURL *easy, const struct platform_request *request)
{
	curl.easy_setopt(easy, CURLOPT_URL, request->url);
	curl.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	if (request->socket) {
		curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->socket);
		curl.easy_setopt(easy, CURLOPT_PROXY, "");
	}
	if (request->authority)
		curl.easy_setopt(easy, CURLOPT_CAINFO, request->authority);
	if (request->signature) {
		curl.easy_setopt(easy, CURLOPT_AWS_SIGV4, request->signature);
		curl.easy_setopt(easy, CURLOPT_USERPWD, request->credentials);
	}
}

static void set_limits(CURL *easy, const struct platform_request *request)
{
	curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl.easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl.easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
}

int exchange_begin(struct exchange *exchange, CURLM *multi, const struct platform_request *request,
		   void *context)
{
	CURL *easy = exchange->easy = curl.easy_init();

	if (!easy || !add_header(exchange, "Content-Type: application/json") ||
	    !add_header(exchange, request->header)) {
		free_request(exchange);
		return -ENOMEM;
	}
	set_server(easy, request);
	set_body(easy, request->body);
	set_limits(easy, request);
	curl.easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	curl.easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
	curl.easy_setopt(easy, CURLOPT_USERAGENT, "dso-rdma/" DSO_VERSION);
	curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
	curl.easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
	curl.easy_setopt(easy, CURLOPT_PRIVATE, context);
	exchange->is_open = curl.multi_add_handle(multi, easy) == CURLM_OK;
	if (!exchange->is_open)
		free_request(exchange);
	return exchange->is_open ? 0 : -ENOMEM;
}

int64_t exchange_end(struct exchange *exchange, CURLM *multi, CURLcode code,
		     struct invocation *invocation)
{
	curl_off_t retry_after_s = 0;

	free(invocation->answer);
	invocation->code = code;
	invocation->status = 0;
	invocation->answer = exchange->answer;
	invocation->answer_bytes = exchange->answer_bytes;
	exchange->answer = NULL;
	exchange->answer_bytes = exchange->answer_max = 0;
	if (!exchange->is_open)
		return 0;
	curl.easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &invocation->status);
	curl.easy_getinfo(exchange->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	curl.multi_remove_handle(multi, exchange->easy);
	exchange->is_open = false;
	free_request(exchange);
	if (!invocation->answer)
		invocation->answer = strdup("");
	if (!invocation->answer)
		invocation->code = CURLE_OUT_OF_MEMORY;
	return retry_after_s > 0 && retry_after_s < PAYLOAD_MS_MAX ? retry_after_s * DSO_SECOND : 0;
}

void exchange_free(struct exchange *exchange, CURLM *multi)
{
	if (exchange->is_open)
		curl.multi_remove_handle(multi, exchange->easy);
	exchange->is_open = false;
	free_request(exchange);
	free(exchange->answer);
	exchange->answer = NULL;
}
