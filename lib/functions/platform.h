/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform of functions, as an executor sees it: how an invocation becomes HTTP requests. The
 * engine in invoke.c makes the requests, holds up to as many invocations as the executor may have
 * workers, and starts others in the place of those that are over. What a platform does to an
 * invocation, as to deliver it twice, late or never, changes no result: an invocation is a worker,
 * and calls travel through the store.
 */
#ifndef LIB_FUNCTIONS_PLATFORM_H
#define LIB_FUNCTIONS_PLATFORM_H

#include "lib/functions/executor.h"
#include "lib/functions/loaded/curl.h"
#include "lib/functions/payload.h"

#define PLATFORM_URL_BYTES 2048

/* What the URL of an executor may say, beside what its platform reads there. */
struct platform_options {
	int64_t timeout_ms; /* of an invocation: then its answer is given up */
	int64_t idle_ms;    /* of a worker without a call */
	int64_t failures;   /* in a row, after which the platform is */
};

/* An HTTP request. A platform fills in a new one, all zero, for each step. */
struct platform_request {
	const char *method; /* "POST" */
	char url[PLATFORM_URL_BYTES];
	const char *body;        /* JSON; NULL: none. Stays with the platform or the invocation */
	const char *signature;   /* for CURLOPT_AWS_SIGV4; NULL: not signed */
	const char *credentials; /* "KEY:SECRET" of the signature */
	char header[4200];       /* a line; "": none */
	const char *authority;   /* a file of certificates; NULL: the system's */
	const char *socket;      /* a unix socket, where the server is; NULL: as the URL says */
	int64_t timeout_ms;      /* 0: none */
	/* It is over soon, and changes something: where the executor is closed
	 * its answer is waited for, so that what it has started can be ended. */
	bool is_short;
};

/* What an invocation does next. */
enum step {
	STEP_REQUEST, /* the request that was filled in */
	STEP_PAUSE,   /* nothing for the invocation's pause_ns; then it is asked again */
	STEP_SERVED,  /* it is over, and was a worker */
	STEP_FAILED,  /* it is over, for the reason in its sentence */
	STEP_REFUSED, /* the same, and every other one would be, too */
};

struct invocation {
	unsigned step; /* the platform's: 0 at first, and again when it is over */
	char id[128];  /* the platform's: of what it has started */
	/* The platform's: tries in a row without an answer; what it will be over with;
	 * and the last pause. */
	unsigned misses;
	enum step outcome;
	int64_t pause_ns;
	/* Of the last request: */
	CURLcode code;       /* CURLE_OK: there is an answer */
	long status;         /* of HTTP */
	char *answer;        /* with a zero behind it; never NULL where there is one */
	size_t answer_bytes; /* PAYLOAD_BYTES_MAX at most */
	char why[SENTENCE_BYTES_MAX + 1];
};

struct platform {
	const struct platform_ops *ops;
	struct platform_options options;
	struct workers_request request;
	char *payload; /* JSON, as every invocation gets it */
};

/* A kind of platform, which has a row of workers in invoke.c. */
struct platform_ops {
	/* What options are where the URL does not say. */
	struct platform_options defaults;
	/* Of the kind's own structure, which begins with struct platform. The engine allocates it,
	 * all zero but for ops, options and request, and frees it. */
	size_t bytes;
	/*
	 * Read request.more, which is the executor's URL behind its scheme, and the environment,
	 * into the options and what the kind has beside them. The payload is made behind it. Does
	 * not block. Returns 0, -EINVAL, -EOPNOTSUPP or -ENOMEM with a sentence in @why.
	 */
	int (*read)(struct platform *platform, char *why);
	/* What comes next in @invocation, after the answer of the last request. */
	enum step (*advance)(struct platform *platform, struct invocation *invocation,
			     struct platform_request *ret_request);
	/* How an invocation is ended that is not over; NULL: it ends by itself, when its executor
	 * is closed. Asked again after each answer, until it says something but STEP_REQUEST. */
	enum step (*end)(struct platform *platform, struct invocation *invocation,
			 struct platform_request *ret_request);
	/* Free what the structure refers to, also where read has failed; NULL: it refers to nothing
	 * of its own. */
	void (*clear)(struct platform *platform);
};

extern const struct platform_ops platform_http, platform_https, platform_lambda,
	platform_kubernetes, platform_podman;

/*
 * Read "KEY=VALUE&KEY=VALUE" of an executor's URL: what engines have in common, into @options, and
 * what @take (may be NULL) takes, which returns whether it knows @key. Returns 0, or -EINVAL with a
 * sentence in @why.
 */
int platform_read_options(const char *text, struct platform_options *options,
			  bool (*take)(void *context, const char *key, const char *value),
			  void *context, char *why);

/* Say in @why that the URL or the environment makes no sense. Returns -EINVAL. */
int platform_refuse(char *why, const char *sentence);

/* Copy @text. Returns whether it was not longer than it may be. */
bool platform_copy(char *to, size_t to_bytes, const char *text);

/* Give the invocation a name of letters, digits and - that no other has. Returns whether there are
 * random numbers. */
bool platform_draw_name(struct invocation *invocation);

/* Whether another try may have another answer than the last one. It is not said too often in a row;
 * an answer makes the platform set misses to 0. */
bool platform_may_try_again(struct invocation *invocation);

/* Rest before the next request, for twice as long as the last time, between limits. Returns
 * STEP_PAUSE. */
enum step platform_pause(struct invocation *invocation);

/* Say in the invocation's sentence that its answer, or that there is none, is a failure of @what;
 * with the beginning of the answer. Returns STEP_FAILED. */
enum step platform_fail(struct invocation *invocation, const char *what);

/* What the answer of a function says. */
enum step platform_read_answer(struct invocation *invocation);

/* The same where it is the last line of what the function wrote, or of the end of that. */
enum step platform_read_output(struct invocation *invocation, const char *output, size_t bytes);

#endif
