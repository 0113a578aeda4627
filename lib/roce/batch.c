/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/batch.h"

/* The run for a packet of @bytes: the last run, if the packet may follow there, or a new one. */
static struct roce_run *run_for(struct roce_batch *batch, const struct roce_path *path,
				uint32_t bytes)
{
	struct roce_run *run = &batch->runs[batch->run_count];

	if (batch->run_count > 0) {
		struct roce_run *last = run - 1;

		if (last->path == path && !last->full && bytes <= last->segment_bytes &&
		    last->length_bytes + bytes <= ROCE_RUN_BYTES_MAX)
			return last;
	}
	*run = (struct roce_run){
		.path = path, .offset = batch->fill, .segment_bytes = (uint16_t)bytes};
	batch->run_count++;
	return run;
}

void roce_batch_commit(struct roce_batch *batch, const struct roce_path *path, size_t bytes)
{
	uint32_t whole = (uint32_t)(bytes + ROCE_ICRC_BYTES);
	struct roce_run *run = run_for(batch, path, whole);

	roce_icrc_seal(path, batch->bytes + batch->fill, bytes, run->count);
	run->length_bytes += whole;
	run->count++;
	run->full = whole < run->segment_bytes || run->count == ROCE_RUN_COUNT_MAX || batch->single;
	batch->fill += whole;
}
