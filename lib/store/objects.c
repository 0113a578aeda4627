/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/objects.h"
#include "lib/core/region.h"
#include "lib/store/token_clock.h"
#include "lib/store/types.h"

#include <xxhash.h>

#define CLEAN_AT_ONCE_BYTES 16384

struct object *objects_at(const struct store *store, uint32_t index)
{
	return chunks_at(&store->objects, index);
}

void objects_queue(const struct store *store, struct queue *queue, uint32_t index)
{
	objects_at(store, index)->next = 0;
	if (queue->first)
		objects_at(store, queue->last - 1)->next = index + 1;
	else
		queue->first = index + 1;
	queue->last = index + 1;
}

uint32_t objects_unqueue(const struct store *store, struct queue *queue)
{
	uint32_t index = queue->first - 1;

	queue->first = objects_at(store, index)->next;
	return index;
}

/* ---- the directory ---- */

bool objects_is_name(const char *name, size_t name_bytes)
{
	return name_bytes >= 1 && name_bytes <= CONTROL_NAME_BYTES_MAX &&
	       !memchr(name, '\0', name_bytes);
}

uint64_t objects_hash(const struct store *store, const char *name, size_t name_bytes)
{
	return XXH3_64bits_withSecret(name, name_bytes, store->secret, sizeof store->secret);
}

uint32_t *objects_find(const struct store *store, uint64_t hash, const char *name,
		       size_t name_bytes)
{
	uint32_t *link = &store->buckets[hash & store->bucket_mask];

	while (*link) {
		struct object *object = objects_at(store, *link - 1);

		if (object->hash == hash && object->name_bytes == name_bytes &&
		    !memcmp(object->name, name, name_bytes))
			break;
		link = &object->next;
	}
	return link;
}

uint32_t *objects_link(const struct store *store, uint32_t index)
{
	const struct object *object = objects_at(store, index);

	return objects_find(store, object->hash, object->name, object->name_bytes);
}

void objects_mark_opened(struct store *store, uint32_t index)
{
	const struct object *object = objects_at(store, index);
	uint64_t bit = 1ULL << index % 64;

	if (object->name && object->opens)
		store->opened[index / 64] |= bit;
	else
		store->opened[index / 64] &= ~bit;
}

static void directory_add(struct store *store, uint32_t index)
{
	struct object *object = objects_at(store, index);
	uint32_t *bucket = &store->buckets[object->hash & store->bucket_mask];

	object->next = *bucket;
	*bucket = index + 1;
	store->named[index / 64] |= 1ULL << index % 64;
	store->named_count++;
}

void objects_remove(struct store *store, uint32_t *link)
{
	uint32_t index = *link - 1;
	struct object *object = objects_at(store, index);

	*link = object->next;
	free(object->name);
	object->name = NULL;
	store->named[index / 64] &= ~(1ULL << index % 64);
	objects_mark_opened(store, index);
	store->named_count--;
	store->deleted_count++;
}

/* ---- objects ---- */

/* Have @owner hold all of @words. */
static void hold_words(uint8_t *memory, const struct type_words *words,
		       const uint64_t parameters[TYPE_PARAMETERS], uint16_t owner)
{
	le64_t held = le64_of(owned_word(0, owner));

	for (uint64_t i = 0; i < type_word_count(words, parameters); i++)
		region_write(memory + words->offset + i * words->stride, &held, sizeof held);
}

/* Fill the zeroed memory of a new object. */
static void write_object(struct store *store, const struct object *object)
{
	const struct object_type_entry *type = type_entry(object->type);
	uint8_t *memory = store->arena.base + object->extent.offset;
	struct object_header header = {
		.type = le16_of(object->type),
		.generation = le32_of(object->generation),
		.length_bytes = le64_of(object->extent.bytes),
	};

	for (unsigned i = 0; i < TYPE_PARAMETERS; i++)
		header.parameter[i] = le64_of(object->parameters[i]);
	region_write(memory, &header, sizeof header);
	if (type->initialise)
		type->initialise(memory, object->parameters);
	for (unsigned i = 0; store->new_owner && i < TYPE_WORDS; i++)
		if (type->words[i].keeps_out)
			hold_words(memory, &type->words[i], object->parameters, store->new_owner);
}

/* Make sure that there is a vacant object, which is taken later. Returns 0 or -ENOMEM. */
static int provide_object(struct store *store)
{
	int error;

	if (store->vacant_object)
		return 0;
	error = chunks_append(&store->objects);
	if (error)
		return error;
	store->vacant_object = store->objects.count;
	return 0;
}

void objects_retire(struct store *store, uint32_t index)
{
	struct object *object = objects_at(store, index);

	extents_give(store->arena.extents, &object->extent);
	object->next = store->vacant_object;
	store->vacant_object = index + 1;
	store->deleted_count--;
}

void objects_reclaim(struct store *store, uint32_t index)
{
	struct object *object = objects_at(store, index);

	assert(!object->name && !object->opens && !object->open_list && !object->is_telling);
	for (uint32_t annex = object->annex, next; annex; annex = next) {
		next = objects_at(store, annex - 1)->annex;
		objects_at(store, annex - 1)->annex = 0;
		objects_reclaim(store, annex - 1);
	}
	object->annex = 0;
	object->cleaned_bytes = 0;
	if (object->extent.bytes > CLEAN_AT_ONCE_BYTES) {
		objects_queue(store, &store->dirty, index);
		return;
	}
	arena_zero(&store->arena, object->extent.offset, object->extent.bytes);
	objects_retire(store, index);
}

static enum wire_status refuse_no_memory(const struct store *store, uint64_t length_bytes,
					 char *detail, size_t detail_bytes)
{
	type_detail(detail, detail_bytes, "wants %s bytes, the largest free extent is %s of %s",
		    type_digits_of(length_bytes).text,
		    type_digits_of(extents_largest_bytes(store->arena.extents)).text,
		    type_digits_of(store->arena.bytes).text);
	return WIRE_NO_MEMORY;
}

enum wire_status objects_refuse_internal(char *detail, size_t detail_bytes)
{
	type_detail(detail, detail_bytes, "the host is out of memory");
	return WIRE_INTERNAL;
}

/* Take a vacant object, and @length_bytes of memory for it. *ret_index is not touched on
 * failure. */
static enum wire_status take_vacant(struct store *store, uint64_t length_bytes, uint32_t *ret_index,
				    char *detail, size_t detail_bytes)
{
	struct object *object;
	struct extent extent;
	int error;

	if (store->named_count + store->deleted_count == store->limits.objects_max) {
		type_detail(
			detail, detail_bytes,
			"%s objects of %s, %s of them deleted and still open, or memory of others",
			type_digits_of(store->limits.objects_max).text,
			type_digits_of(store->limits.objects_max).text,
			type_digits_of(store->deleted_count).text);
		return WIRE_OBJECTS_MAX;
	}
	if (provide_object(store))
		return objects_refuse_internal(detail, detail_bytes);
	error = extents_take(store->arena.extents, length_bytes, &extent);
	if (error)
		return error == -ENOSPC
			       ? refuse_no_memory(store, length_bytes, detail, detail_bytes)
			       : objects_refuse_internal(detail, detail_bytes);
	*ret_index = store->vacant_object - 1;
	object = objects_at(store, *ret_index);
	store->vacant_object = object->next;
	*object = (struct object){.extent = extent};
	return WIRE_OK;
}

enum wire_status objects_create(struct store *store, unsigned type, uint64_t hash, const char *name,
				size_t name_bytes, const uint64_t parameters[TYPE_PARAMETERS],
				uint32_t *ret_index, char *detail, size_t detail_bytes)
{
	uint64_t length_bytes = type_entry(type)->length_bytes(parameters);
	char *name_copy = malloc(name_bytes);
	struct object *object;
	enum wire_status status;

	if (!name_copy)
		return objects_refuse_internal(detail, detail_bytes);
	status = take_vacant(store, length_bytes, ret_index, detail, detail_bytes);
	if (status != WIRE_OK) {
		free(name_copy);
		return status;
	}
	memcpy(name_copy, name, name_bytes);
	if (++store->generation == 0)
		store->generation = 1;
	object = objects_at(store, *ret_index);
	*object = (struct object){
		.name = name_copy,
		.hash = hash,
		.extent = object->extent,
		.token_origin = token_clock_next(),
		.generation = store->generation,
		.type = (uint16_t)type,
		.name_bytes = (uint8_t)name_bytes,
	};
	memcpy(object->parameters, parameters, sizeof object->parameters);
	write_object(store, object);
	directory_add(store, *ret_index);
	return WIRE_OK;
}

/* Take @length_bytes of further memory for @object. It counts as a deleted object that is still
 * open. */
static enum wire_status take_annex(struct store *store, struct object *object,
				   uint64_t length_bytes, struct object **ret_annex, char *detail,
				   size_t detail_bytes)
{
	uint32_t index;
	enum wire_status status = take_vacant(store, length_bytes, &index, detail, detail_bytes);

	if (status != WIRE_OK)
		return status;
	store->deleted_count++;
	*ret_annex = objects_at(store, index);
	(*ret_annex)->annex = object->annex;
	object->annex = index + 1;
	return WIRE_OK;
}

unsigned objects_extents(const struct store *store, const struct object *object, unsigned number,
			 struct store_extent *extents, unsigned count_max)
{
	unsigned count = 0;

	memset(extents, 0, count_max * sizeof *extents);
	for (uint32_t link = object->annex; object->extents && link;) {
		const struct object *annex = objects_at(store, link - 1);
		unsigned i = annex->number - number;

		if (annex->number >= number && i < count_max)
			extents[i] = (struct store_extent){.offset = annex->extent.offset,
							   .bytes = annex->extent.bytes};
		link = annex->annex;
	}
	while (count < count_max && extents[count].bytes)
		count++;
	return count;
}

enum wire_status objects_grow(struct store *store, struct object *object, unsigned number,
			      uint64_t bytes, char *detail, size_t detail_bytes)
{
	struct object *annex;
	enum wire_status status = take_annex(store, object, bytes, &annex, detail, detail_bytes);

	if (status != WIRE_OK)
		return status;
	annex->number = (uint8_t)number;
	object->extents++;
	object->extent_units += (uint32_t)(bytes / CONTROL_EXTENT_UNIT_BYTES);
	return WIRE_OK;
}

/*
 * The first open with a capacity decides a future's capacity, however many have opened the future
 * without one. What the future's own memory has no room for lies in an annex.
 */
static enum wire_status decide_capacity(struct store *store, struct object *future,
					uint64_t capacity, char *detail, size_t detail_bytes)
{
	enum wire_status status = WIRE_OK;
	struct object *annex;

	if (capacity > future->parameters[FUTURE_PARAMETER_ROOM]) {
		status = take_annex(store, future, capacity, &annex, detail, detail_bytes);
		if (status != WIRE_OK)
			return status;
		future->parameters[FUTURE_PARAMETER_ANNEX] = annex->extent.offset;
	}
	future->parameters[FUTURE_PARAMETER_CAPACITY] = capacity;
	future->parameters[FUTURE_PARAMETER_UNDECIDED] = 0;
	return status;
}

enum wire_status objects_fit(struct store *store, struct object *object,
			     const uint64_t asked[TYPE_PARAMETERS], char *detail,
			     size_t detail_bytes)
{
	const struct object_type_entry *type = type_entry(object->type);
	uint64_t capacity = asked[FUTURE_PARAMETER_CAPACITY], complete[TYPE_PARAMETERS];
	enum wire_status status;

	if (object->type != OBJECT_FUTURE || !capacity ||
	    !object->parameters[FUTURE_PARAMETER_UNDECIDED])
		return type_match(type, asked, object->parameters, detail, detail_bytes);
	status = type_complete(type, asked, complete, detail, detail_bytes);
	return status == WIRE_OK ? decide_capacity(store, object, capacity, detail, detail_bytes)
				 : status;
}

void objects_describe(const struct object *object, struct store_object_stat *ret_stat)
{
	*ret_stat = (struct store_object_stat){
		.type = object->type,
		.generation = object->generation,
		.opens = object->opens,
		.offset = object->extent.offset,
		.length_bytes = object->extent.bytes,
		.token_origin = object->token_origin,
		.extents = object->extents,
		.extent_bytes = (uint64_t)object->extent_units * CONTROL_EXTENT_UNIT_BYTES,
		.name_bytes = object->name_bytes,
		.is_ephemeral = object->is_ephemeral,
	};
	memcpy(ret_stat->parameters, object->parameters, sizeof object->parameters);
	memcpy(ret_stat->name, object->name, object->name_bytes);
}
