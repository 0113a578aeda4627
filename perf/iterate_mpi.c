/* SPDX-License-Identifier: Apache-2.0 */
/* mpirun iterate-mpi WORK POINTS ITERATIONS WORKERS: perf/iterate.h in ranks of MPI. */
#include "perf/iterate.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

static void reduce(void *context, uint64_t round, const double *partial, double *sums)
{
	MPI_Allreduce(partial, sums, (int)*(uint64_t *)context, MPI_DOUBLE, MPI_SUM,
		      MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
	static struct iterate_times times[ITERATE_WORKERS_MAX];
	struct iterate_times own = {0};
	struct iterate_job job;
	uint64_t length;
	int rank, ranks;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	job = iterate_job(argc, argv);
	length = iterate_length(&job);
	if ((uint64_t)ranks != job.workers) {
		fprintf(stderr, "iterate-mpi: %d ranks\n", ranks);
		return 2;
	}
	iterate(&job, (uint64_t)rank, reduce, &length, &own);
	MPI_Gather(&own, sizeof own, MPI_BYTE, times, sizeof own, MPI_BYTE, 0, MPI_COMM_WORLD);
	if (rank == 0)
		iterate_print("mpi", &job, times);
	MPI_Finalize();
	return EXIT_SUCCESS;
}
