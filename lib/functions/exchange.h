/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP request of an invocation at a time, and its answer. */
#ifndef LIB_FUNCTIONS_EXCHANGE_H
#define LIB_FUNCTIONS_EXCHANGE_H

#include "lib/functions/platform.h"

/* Zero at first. All need curl_load(). */
struct exchange {
	CURL *easy; /* NULL: there was no request yet */
	struct curl_slist *headers;
	bool is_open;
	char *answer; /* as far as it has come */
	size_t answer_bytes, answer_max;
};

/* Hand @request to @multi, whose messages about it have @context. Does not block. Returns 0 or
 * -ENOMEM. */
int exchange_begin(struct exchange *exchange, CURLM *multi, const struct platform_request *request,
		   void *context);

/* It is over with @code, or is broken off: the answer is @invocation's, with its zero. Returns for
 * how long the server asks to stay away (Retry-After), in ns. */
int64_t exchange_end(struct exchange *exchange, CURLM *multi, CURLcode code,
		     struct invocation *invocation);

void exchange_free(struct exchange *exchange, CURLM *multi);

#endif
