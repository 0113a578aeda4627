/* SPDX-License-Identifier: Apache-2.0 */
/* Estimates pi by Monte Carlo in functions. pi_threads.c is the program that was ported. */
#include <dso/dso.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTS  8
#define POINTS 2000000

/* SplitMix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014. */
static double draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static uint64_t count_inside(uint64_t seed)
{
	uint64_t inside = 0;

	for (int i = 0; i < POINTS; i++) {
		double x = draw(&seed), y = draw(&seed);

		inside += x * x + y * y < 1;
	}
	return inside;
}

DSO_FUNCTION(estimate)
{
	uint64_t inside = count_inside(*(uint64_t *)dso_argument(call, NULL));

	return dso_return(call, &inside, sizeof inside);
}

static int give_up(const struct dso_session *session)
{
	fprintf(stderr, "pi: %s\n", dso_error(session));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	uint64_t part[PARTS], total = 0;
	struct dso_session *session = NULL;
	struct dso_executor *executor;
	struct dso_thread *thread[PARTS];
	void *result;

	dso_function_main(argc, argv);
	if (dso_open(NULL, NULL, &session) || dso_executor_open(session, NULL, NULL, &executor))
		return give_up(session);
	for (int i = 0; i < PARTS; i++) {
		part[i] = (uint64_t)i;
		if (dso_thread_create(executor, estimate, &part[i], sizeof part[i], &thread[i]))
			return give_up(session);
	}
	for (int i = 0; i < PARTS; i++) {
		if (dso_thread_join(thread[i], DSO_FOREVER, &result, NULL))
			return give_up(session);
		total += *(uint64_t *)result;
		free(result);
	}
	printf("pi is about %.8f\n", 4.0 * (double)total / PARTS / POINTS);
	dso_executor_close(executor);
	dso_close(session);
	return EXIT_SUCCESS;
}
