/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets to be sent, in runs that the kernel takes as one send each (generic segmentation
 * offload). The packets of a run have one path and equal length, but for the last, which may be
 * shorter.
 */
#ifndef LIB_ROCE_BATCH_H
#define LIB_ROCE_BATCH_H

#include "lib/roce/path.h"

#define ROCE_BATCH_BYTES    262144
#define ROCE_BATCH_RUNS_MAX 256
#define ROCE_RUN_COUNT_MAX  64    /* UDP_MAX_SEGMENTS, in every kernel that has it */
#define ROCE_RUN_BYTES_MAX  65000 /* an IP packet's length, less its headers */

struct roce_run {
	const struct roce_path *path;
	uint32_t offset; /* in bytes */
	uint32_t length_bytes;
	uint16_t segment_bytes; /* of each packet but the last */
	uint16_t count;
	bool full; /* takes no more packets */
};

struct roce_batch {
	uint32_t fill;
	uint32_t run_count;
	bool single; /* the kernel takes no segmented sends: every run is one packet */
	struct roce_run runs[ROCE_BATCH_RUNS_MAX];
	uint8_t bytes[ROCE_BATCH_BYTES];
};

/* Whether there is room for @count packets of any size. */
static inline bool roce_batch_has_room(const struct roce_batch *batch, unsigned count)
{
	return ROCE_BATCH_BYTES - batch->fill >= count * ROCE_PACKET_BYTES_MAX &&
	       ROCE_BATCH_RUNS_MAX - batch->run_count >= count;
}

/* Where to write the next packet; there must be room. */
static inline uint8_t *roce_batch_next(struct roce_batch *batch)
{
	return batch->bytes + batch->fill;
}

/* Take the packet that was written there, of @bytes without its ICRC. @path outlives the batch's
 * content. */
void roce_batch_commit(struct roce_batch *batch, const struct roce_path *path, size_t bytes);

static inline void roce_batch_clear(struct roce_batch *batch)
{
	batch->fill = batch->run_count = 0;
}

#endif
