/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/remote/resolve.h"
#include "lib/core/clock.h"
#include "lib/core/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/*
 * getaddrinfo takes no deadline: where no name server answers it takes as long as resolv.conf says.
 * So it runs in a thread of its own. A caller whose deadline passes leaves the lookup to that
 * thread, which frees it.
 */
struct lookup {
	pthread_mutex_t lock;
	pthread_cond_t finished;
	bool done, abandoned;
	int error; /* EAI_* */
	struct addrinfo *addresses;
	char host[256], port[6];
};

static _Atomic unsigned abandoned_count;

static int look_up(const char *host, const char *port, int flags, struct addrinfo **ret_addresses)
{
	/* Without AI_ADDRCONFIG: it would hide ::1 on a host that has IPv4 addresses alone, and
	 * the reverse. An address that no interface leads to costs one failed connect(). */
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};

	return getaddrinfo(host, port, &hints, ret_addresses);
}

static void lookup_free(struct lookup *lookup)
{
	if (lookup->addresses)
		freeaddrinfo(lookup->addresses);
	pthread_cond_destroy(&lookup->finished);
	pthread_mutex_destroy(&lookup->lock);
	free(lookup);
}

static void *run(void *argument)
{
	struct lookup *lookup = argument;
	struct addrinfo *addresses = NULL;
	int error = look_up(lookup->host, lookup->port, 0, &addresses);
	bool abandoned;

	pthread_mutex_lock(&lookup->lock);
	lookup->error = error;
	lookup->addresses = addresses;
	lookup->done = true;
	abandoned = lookup->abandoned;
	pthread_cond_signal(&lookup->finished);
	pthread_mutex_unlock(&lookup->lock);
	if (abandoned) {
		lookup_free(lookup);
		abandoned_count--;
	}
	return NULL;
}

static int start(struct lookup *lookup)
{
	pthread_t thread;
	int r = thread_start(&thread, run, lookup);

	if (r == 0)
		pthread_detach(thread);
	return r;
}

static struct lookup *lookup_new(const char *host, const char *port)
{
	struct lookup *lookup = calloc(1, sizeof *lookup);

	if (!lookup)
		return NULL;
	pthread_mutex_init(&lookup->lock, NULL);
	pthread_cond_init(&lookup->finished, NULL);
	snprintf(lookup->host, sizeof lookup->host, "%s", host);
	snprintf(lookup->port, sizeof lookup->port, "%s", port);
	return lookup;
}

/* Returns getaddrinfo's result, or EAI_INPROGRESS at the deadline: then the lookup belongs to the
 * thread. */
static int finish(struct lookup *lookup, int64_t deadline_ns, struct addrinfo **ret_addresses)
{
	struct timespec deadline = clock_timespec(deadline_ns);
	int error = EAI_INPROGRESS, r = 0;

	pthread_mutex_lock(&lookup->lock);
	while (!lookup->done && r == 0)
		r = pthread_cond_clockwait(&lookup->finished, &lookup->lock, CLOCK_MONOTONIC,
					   &deadline);
	if (lookup->done) {
		error = lookup->error;
		*ret_addresses = lookup->addresses;
		lookup->addresses = NULL;
	} else {
		lookup->abandoned = true;
		abandoned_count++;
	}
	pthread_mutex_unlock(&lookup->lock);
	if (error != EAI_INPROGRESS)
		lookup_free(lookup);
	return error;
}

static int ask_resolver(const char *host, const char *port, int64_t deadline_ns,
			struct addrinfo **ret_addresses)
{
	struct lookup *lookup;

	if (abandoned_count >= RESOLVE_ABANDONED_MAX)
		return EAI_AGAIN;
	lookup = lookup_new(host, port);
	if (!lookup)
		return EAI_MEMORY;
	if (start(lookup)) {
		lookup_free(lookup);
		return EAI_MEMORY;
	}
	return finish(lookup, deadline_ns, ret_addresses);
}

int resolve(const char *host, const char *port, int64_t deadline_ns,
	    struct addrinfo **ret_addresses, char *reason, size_t reason_bytes)
{
	int error = look_up(host, port, AI_NUMERICHOST, ret_addresses);

	if (error == EAI_NONAME)
		error = ask_resolver(host, port, deadline_ns, ret_addresses);
	if (error == 0)
		return 0;
	snprintf(reason, reason_bytes, "cannot resolve %s: %s", host,
		 error == EAI_INPROGRESS ? "no name server answers in time" : gai_strerror(error));
	return error == EAI_INPROGRESS ? -ETIMEDOUT
	       : error == EAI_MEMORY   ? -ENOMEM
	       : error == EAI_AGAIN    ? -EAGAIN
				       : -EHOSTUNREACH;
}
