/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a store: its directory of names, and its objects, from their creation until their
 * memory can be used again.
 */
#ifndef LIB_STORE_OBJECTS_H
#define LIB_STORE_OBJECTS_H

#include "lib/store/arena.h"
#include "lib/store/opener.h"
#include "lib/store/types.h"

/* XXH3 takes no more of a secret, and getrandom gives this much in one piece. */
#define SECRET_BYTES 192

/* An open: in its opener's table, and in the list of its object. */
struct store_open {
	struct store_opener *opener;
	struct store_open *previous;
	struct store_open *next;
	uint32_t object;
	uint32_t handle;    /* that it has, or will have */
	uint32_t next_slot; /* the next in the list of vacant opens, or of untold ones */
	bool is_open;
	/* in the list of untold ones; if it was closed, it becomes vacant when it leaves the
	 * list */
	bool is_untold;
};

struct object {
	char *name; /* NULL: deleted, and kept until its last handle is back */
	union {
		uint64_t hash;             /* of the name */
		struct store_open *untold; /* deleted, and being told: where to go on */
		uint64_t cleaned_bytes;    /* deleted, and no session has it open */
	};
	struct store_open *open_list;
	uint64_t parameters[TYPE_PARAMETERS];
	uint64_t token_origin;
	struct extent extent;
	/* the next in its bucket, or in the other list that it is in: index + 1, 0: none */
	uint32_t next;
	uint32_t generation;
	uint32_t opens;
	/* index + 1 of a nameless object that is further memory of it, which may have the next one
	 * as its own; 0: none */
	uint32_t annex;
	/* of the extents among those, CONTROL_EXTENT_UNIT_BYTES each */
	uint32_t extent_units;
	uint16_t type;
	/* an extent's number */
	uint8_t number;
	uint8_t extents;
	uint8_t name_bytes;
	bool is_telling;   /* deleted, and some sessions that have it open were not told */
	bool is_ephemeral; /* it is deleted with its last handle */
};

/* A queue of objects: index + 1, 0: none. */
struct queue {
	uint32_t first, last;
};

struct store {
	struct store_limits limits;
	struct arena arena;

	/* The directory. It has buckets for as many objects as there may be, so that it never stops
	 * to grow. */
	uint32_t *buckets; /* index + 1, 0: none */
	uint32_t bucket_mask;
	/* secret, so that no client can choose names that share a bucket */
	uint8_t secret[SECRET_BYTES];

	struct chunks objects;
	uint32_t vacant_object; /* index + 1, 0: none */
	uint64_t *named;  /* one bit for each object: it has a name. A listing skips gaps by it. */
	uint64_t *opened; /* one bit for each object: it has a name and is open */
	uint32_t named_count;
	uint32_t deleted_count; /* and still open, or to be cleaned */
	struct queue telling;   /* deleted ones that have to be told of */
	struct queue dirty;     /* those to be cleaned */
	uint32_t generation;    /* the last one given */
	uint16_t new_owner;     /* the owner of locks that are created; 0: none */
};

struct object *objects_at(const struct store *store, uint32_t index);
void objects_queue(const struct store *store, struct queue *queue, uint32_t index);
/* The index of the first; the queue is not empty. */
uint32_t objects_unqueue(const struct store *store, struct queue *queue);
bool objects_is_name(const char *name, size_t name_bytes);
uint64_t objects_hash(const struct store *store, const char *name, size_t name_bytes);
/* The link, in a bucket or in an object, that leads to the object called @name, or to 0. */
uint32_t *objects_find(const struct store *store, uint64_t hash, const char *name,
		       size_t name_bytes);
/* The link that leads to the object @index, which has a name. */
uint32_t *objects_link(const struct store *store, uint32_t index);
/* Update the bits of an object whose name or opens have changed. */
void objects_mark_opened(struct store *store, uint32_t index);
void objects_remove(struct store *store, uint32_t *link);
/* A deleted object is clean: its memory is free, and it is vacant. */
void objects_retire(struct store *store, uint32_t index);
/* A deleted object is closed everywhere, and all sessions were told. A short one is zeroed at once,
 * a longer one by store_clean. */
void objects_reclaim(struct store *store, uint32_t index);
enum wire_status objects_refuse_internal(char *detail, size_t detail_bytes);
/* Make an object of checked type, name and parameters. *ret_index is not touched on failure. */
enum wire_status objects_create(struct store *store, unsigned type, uint64_t hash, const char *name,
				size_t name_bytes, const uint64_t parameters[TYPE_PARAMETERS],
				uint32_t *ret_index, char *detail, size_t detail_bytes);
/* Adapt an existing object to the parameters that are asked for, where its type allows that, and
 * compare the two. */
enum wire_status objects_fit(struct store *store, struct object *object,
			     const uint64_t asked[TYPE_PARAMETERS], char *detail,
			     size_t detail_bytes);
/* Fill in the extents of @object from @number on, as many as follow without a gap, at most
 * @count_max. Returns how many. */
unsigned objects_extents(const struct store *store, const struct object *object, unsigned number,
			 struct store_extent *extents, unsigned count_max);
/* Give @object the extent @number, which it has not. Returns WIRE_OK, NO_MEMORY, OBJECTS_MAX,
 * INTERNAL. */
enum wire_status objects_grow(struct store *store, struct object *object, unsigned number,
			      uint64_t bytes, char *detail, size_t detail_bytes);
void objects_describe(const struct object *object, struct store_object_stat *ret_stat);

#endif
