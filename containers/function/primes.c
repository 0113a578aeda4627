/* SPDX-License-Identifier: Apache-2.0 */
/*
 * primes - a program whose threads are functions, to be copied: it counts primes below a million.
 *
 *   primes [PARTS]
 *
 * The driver and its functions are this one program. Where functions run the executor's URL says
 * (DSO_EXECUTOR), where storaged is DSO_URL.
 */
#include <dso/dso.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBERS 1000000

struct part {
	uint64_t first, behind;
};

/* A call may run again, on another host, when its worker dies. So what it finds is its result,
 * which counts once; the counter, to which it adds in shared memory, only shows how far all are. */
DSO_FUNCTION(count_primes)
{
	const struct part *part = dso_argument(call, NULL);
	struct dso_counter *seen = NULL;
	uint64_t primes = 0;
	int r = dso_counter_open(dso_call_session(call), "primes-seen", NULL, &seen);

	for (uint64_t n = part->first; r == 0 && n < part->behind; n++) {
		uint64_t divisor = 2;

		while (divisor * divisor <= n && n % divisor)
			divisor++;
		primes += n > 1 && divisor * divisor > n;
	}
	if (r == 0)
		r = dso_counter_add(seen, (int64_t)(part->behind - part->first), NULL);
	dso_counter_close(seen);
	return r ? r : dso_return(call, &primes, sizeof primes);
}

static void must(const struct dso_session *session, int r)
{
	if (r == 0)
		return;
	fprintf(stderr, "primes: %s\n", dso_error(session));
	exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	unsigned parts = argc > 1 ? (unsigned)atoi(argv[1]) : 8;
	struct dso_session *session = NULL;
	struct dso_executor *executor;
	struct dso_thread **threads;
	uint64_t primes = 0;

	/* Where a platform has started this program as a function, it serves and ends here. */
	dso_function_main(argc, argv);
	must(NULL, dso_open(NULL, NULL, &session));
	must(session, dso_executor_open(session, NULL, NULL, &executor));
	threads = calloc(parts, sizeof(struct dso_thread *));
	for (unsigned i = 0; threads && i < parts; i++) {
		struct part part = {(uint64_t)NUMBERS * i / parts,
				    (uint64_t)NUMBERS * (i + 1) / parts};

		must(session,
		     dso_thread_create(executor, count_primes, &part, sizeof part, &threads[i]));
	}
	for (unsigned i = 0; threads && i < parts; i++) {
		void *result;

		must(session, dso_thread_join(threads[i], DSO_FOREVER, &result, NULL));
		primes += *(uint64_t *)result;
		free(result);
	}
	printf("%llu primes below %d\n", (unsigned long long)primes, NUMBERS);
	free(threads);
	dso_executor_close(executor);
	dso_object_delete(session, "primes-seen");
	dso_close(session);
	return EXIT_SUCCESS;
}
