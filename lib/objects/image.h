/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The check of an object's structure (dso_object_check): each type has a pure function over a copy
 * of the object's bytes, which may be any bytes. What it calls damage is in no state that clients
 * and storaged bring about, wherever any of them stands still or has ended.
 */
#ifndef LIB_OBJECTS_IMAGE_H
#define LIB_OBJECTS_IMAGE_H

#include "lib/store/types.h"

#include <dso/objects.h>
#include <stdbool.h>

/* Memory of an object beside its own, as the annex of a future. */
#define IMAGE_EXTENTS_MAX 1

struct image_extent {
	uint64_t offset; /* in the region */
	uint64_t length_bytes;
	const uint8_t *bytes;
};

#define IMAGE_OWNERS 65536

/* The owner numbers that storaged names as holders of the object, and which of them live; a bit
 * each. */
struct image_owners {
	uint64_t named[IMAGE_OWNERS / 64];
	uint64_t live[IMAGE_OWNERS / 64];
};

struct image {
	/* as storaged has them */
	unsigned type;
	uint32_t generation;
	uint64_t parameters[TYPE_PARAMETERS];
	uint64_t length_bytes;
	/* from the header on: all that image_bytes_needed says */
	const uint8_t *bytes;
	/* in the order of the type's */
	struct image_extent extents[IMAGE_EXTENTS_MAX];
	unsigned extent_count;
	/* no session has it open but the one that looks, so nothing is under way */
	bool is_alone;
	/* NULL: storaged was not asked */
	const struct image_owners *owners;
};

/* Where findings go. */
struct findings {
	unsigned count;
	/* NULL: they are only counted */
	void (*tell)(struct findings *findings, const struct dso_finding *finding);
};

/* Add a finding about what is at @offset of the object. */
__attribute__((format(printf, 4, 5))) void findings_add(struct findings *findings,
							enum dso_finding_kind kind, uint64_t offset,
							const char *format, ...);

static inline uint64_t image_word(const struct image *image, uint64_t offset)
{
	le64_t word;

	memcpy(&word, image->bytes + offset, sizeof word);
	return le64_get(word);
}

/* Whether a word of the object has an owner, about which storaged may know more than the word
 * says. */
bool image_has_owners(const struct image *image);

/* How many bytes of the object, from its header on, its check needs. */
uint64_t image_bytes_needed(const struct image *image);

/* Check all of the object. Returns how many findings there are. */
unsigned image_check(const struct image *image, struct findings *findings);

/* ---- what the checks of the types have in common ---- */

/* An owned word that may have the flags @allowed. */
void image_check_word(const struct image *image, uint64_t offset, unsigned allowed,
		      struct findings *findings);

/* An event. @is_weighed: waiters count as those of a semaphore. */
void image_check_event(const struct image *image, uint64_t offset, bool is_weighed,
		       struct findings *findings);

/* The slot at @offset, that has to have @version, with a value of @length_max bytes at most.
 * @place tells where a value lies that is as long as the slot says. */
void image_check_slot(const struct image *image, uint64_t offset, uint64_t version,
		      const uint8_t *(*place)(const struct image *image, uint64_t offset,
					      uint64_t length_bytes),
		      struct findings *findings);

/* ---- the types ---- */

void register_check(const struct image *image, struct findings *findings);
void mutex_check(const struct image *image, struct findings *findings);
void rwlock_check(const struct image *image, struct findings *findings);
void semaphore_check(const struct image *image, struct findings *findings);
void barrier_check(const struct image *image, struct findings *findings);
void latch_check(const struct image *image, struct findings *findings);
void condition_check(const struct image *image, struct findings *findings);
void once_check(const struct image *image, struct findings *findings);
void future_check(const struct image *image, struct findings *findings);
void queue_check(const struct image *image, struct findings *findings);
void aggregator_check(const struct image *image, struct findings *findings);
void map_head_check(const struct image *image, struct findings *findings);

#endif
