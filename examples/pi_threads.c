/* SPDX-License-Identifier: Apache-2.0 */
/* Estimates pi by Monte Carlo in threads. pi.c is the same program with functions. */
#include <pthread.h>
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

static void *estimate(void *argument)
{
	uint64_t *part = argument;

	*part = count_inside(*part);
	return part;
}

int main(void)
{
	uint64_t part[PARTS], total = 0;
	pthread_t thread[PARTS];
	void *result;

	for (int i = 0; i < PARTS; i++) {
		part[i] = (uint64_t)i;
		if (pthread_create(&thread[i], NULL, estimate, &part[i]))
			return EXIT_FAILURE;
	}
	for (int i = 0; i < PARTS; i++) {
		if (pthread_join(thread[i], &result))
			return EXIT_FAILURE;
		total += *(uint64_t *)result;
	}
	printf("pi is about %.8f\n", 4.0 * (double)total / PARTS / POINTS);
	return EXIT_SUCCESS;
}
