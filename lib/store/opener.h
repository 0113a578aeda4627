/* SPDX-License-Identifier: Apache-2.0 */
/* The user of a store, and what a store answers. */
#ifndef LIB_STORE_OPENER_H
#define LIB_STORE_OPENER_H

#include "lib/store/chunks.h"
#include "proto/control.h"
#include "proto/layout.h"

#include <stdint.h>

struct store;

struct store_limits {
	uint64_t region_bytes; /* STORE_REGION_BYTES_MIN to _MAX, rounded up to pages */
	uint32_t objects_max;  /* 1 to STORE_OBJECTS_MAX, deleted ones still open included */
	uint32_t opens_max;    /* of one opener; 1 to STORE_OPENS_MAX */
};

#define STORE_REGION_BYTES_MIN    8192
#define STORE_REGION_BYTES_MAX    (1ULL << 46)
#define STORE_OBJECTS_MAX         (1u << 24)
#define STORE_OBJECTS_MAX_DEFAULT 1048576
#define STORE_OPENS_MAX           ((1u << 20) - 1)
#define STORE_OPENS_MAX_DEFAULT   65536

/*
 * A user that opens objects: a session. It is embedded in the user's struct, which stays in place
 * from store_opener_begin to store_opener_end.
 *
 * A handle is a slot (20 bits, from 1) and a count of that slot's uses (12 bits): a late CLOSE of a
 * handle that was closed before closes nothing, unless its slot was used 4096 times since.
 */
struct store_opener {
	struct store *store;
	/* Called by store_tell, once a handle, when an object that this opener has open was
	 * deleted, by this opener or another. Must not call the store. Returns false when it cannot
	 * take the news now: then store_opener_tell is due. NULL: the opener does not want to
	 * know. */
	bool (*deleted)(struct store_opener *opener, uint32_t handle);
	uint32_t open_count;
	/* the store's */
	struct chunks slots;  /* of struct store_open */
	uint32_t vacant_slot; /* head of the list of vacant ones, 0: none */
	uint32_t untold_slot; /* head of the list of opens whose deletion it could not take yet */
};

struct store_reference {
	enum object_type type;
	uint32_t generation;
	uint32_t handle;
	uint64_t offset;
	uint64_t length_bytes;
	uint64_t parameters[4];
	uint64_t token_origin; /* of its fencing tokens */
};

/* Memory of an object beside its own. */
struct store_extent {
	uint64_t offset;
	uint64_t bytes;
};

struct store_object_stat {
	enum object_type type;
	uint32_t generation;
	uint32_t opens; /* handles */
	uint64_t offset;
	uint64_t length_bytes;
	uint64_t parameters[4];
	uint64_t token_origin;
	uint64_t extent_bytes; /* of all its extents */
	uint8_t extents;
	uint8_t name_bytes;
	bool is_ephemeral;                     /* it goes with its last handle */
	char name[CONTROL_NAME_BYTES_MAX + 1]; /* zero-terminated */
};

#endif
