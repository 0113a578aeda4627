/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a platform of functions carries from a driver to a worker and back, as JSON: which executor
 * to serve, and what became of it. Calls and results themselves travel through the store.
 */
#ifndef LIB_FUNCTIONS_PAYLOAD_H
#define LIB_FUNCTIONS_PAYLOAD_H

#include "lib/functions/message.h"

#include <stdbool.h>

#define PAYLOAD_VERSION   1
#define PAYLOAD_BYTES_MAX (1 << 20) /* of a payload, and of an answer */
#define PAYLOAD_MS_MAX    86400000  /* of a time in it: a day */
#define PAYLOAD_URL_BYTES 1024

/* {"dso": {"version": 1, "url": "dso://...", "prefix": "run/...", "build": "HEX", "idle_ms": 1000,
 * "serve_ms": 0}} */
struct payload {
	char url[PAYLOAD_URL_BYTES]; /* of storaged, as its driver reaches it; "": not told */
	char prefix[PREFIX_BYTES_MAX];
	uint8_t build[MESSAGE_BUILD_BYTES]; /* of the driver's binary */
	int64_t idle_ms;  /* the worker leaves when no call has come for so long */
	int64_t serve_ms; /* and begins no call after that; 0: no limit */
};

/* {"served": 3} or {"served": 0, "error": "...", "refused": true} */
struct answer {
	uint64_t served;                    /* calls that the worker has run */
	bool is_refused;                    /* the same payload will be refused again */
	char error[SENTENCE_BYTES_MAX + 1]; /* "": none */
};

/*
 * All need jansson_load(). Texts that are written are to be freed; NULL: out of memory. What is
 * read is believed in nothing: on failure 0 is not returned, but -EINVAL, and payload_read() puts a
 * sentence into @why of SENTENCE_BYTES_MAX + 1.
 */
char *payload_write(const struct payload *payload);
int payload_read(const char *text, size_t bytes, struct payload *ret_payload, char *why);
char *answer_write(const struct answer *answer);
int answer_read(const char *text, size_t bytes, struct answer *ret_answer);

#endif
