/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peer-allreduce TRANSPORT ELEMENTS ROUNDS: MPI_Allreduce of doubles, measured as dso-perf
 * allreduce measures ours. For perf/compare-allreduce, under mpirun; prints a JSON object, in which
 * TRANSPORT is a name only.
 */
#include "perf/clock.h"
#include "perf/histogram.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define WARM_UP 20

static struct histogram latencies; /* ns, of this process */

/* A round; exits where its sum is wrong. */
static void reduce(double *values, double *result, int elements, int round, int id, int count)
{
	double expected = count * (round + 0.25) + count * (count - 1) / 2.0;

	values[0] = values[elements - 1] = round + id + 0.25;
	MPI_Allreduce(values, result, elements, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
	if (result[0] != expected || result[elements - 1] != expected) {
		fprintf(stderr, "peer-allreduce: the sums of round %d are wrong\n", round);
		MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
	}
}

static void print(const char *transport, int elements, int rounds, int count, int64_t took_ns)
{
	printf("{\"transport\":\"%s\",\"op\":\"allreduce\",\"elements\":%d,\"sessions\":%d,"
	       "\"p50_ns\":%ju,\"p99_ns\":%ju,\"rate_per_s\":%.6g}\n",
	       transport, elements, count, (uintmax_t)histogram_percentile(&latencies, 50),
	       (uintmax_t)histogram_percentile(&latencies, 99), rounds * 1e9 / (double)took_ns);
}

int main(int argc, char **argv)
{
	int elements = argc > 2 ? atoi(argv[2]) : 0, rounds = argc > 3 ? atoi(argv[3]) : 0;
	double *values, *result;
	int id, count;
	int64_t begin_ns;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &id);
	MPI_Comm_size(MPI_COMM_WORLD, &count);
	values = calloc((size_t)(elements > 0 ? elements : 1), sizeof *values);
	result = calloc((size_t)(elements > 0 ? elements : 1), sizeof *result);
	if (elements < 1 || rounds < 1 || !values || !result) {
		fprintf(stderr, "usage: mpirun -n N peer-allreduce TRANSPORT ELEMENTS ROUNDS\n");
		MPI_Abort(MPI_COMM_WORLD, 2);
	}
	for (int i = 0; i < elements; i++)
		values[i] = 1.0 / (1 + i + id);
	for (int round = 0; round < WARM_UP; round++)
		reduce(values, result, elements, round, id, count);
	MPI_Barrier(MPI_COMM_WORLD);
	begin_ns = clock_ns();
	for (int round = 0; round < rounds; round++) {
		int64_t round_ns = clock_ns();

		reduce(values, result, elements, round, id, count);
		histogram_add(&latencies, (uint64_t)(clock_ns() - round_ns));
	}
	MPI_Barrier(MPI_COMM_WORLD);
	if (id == 0)
		print(argv[1], elements, rounds, count, clock_ns() - begin_ns);
	MPI_Finalize();
	free(values);
	free(result);
	return 0;
}
