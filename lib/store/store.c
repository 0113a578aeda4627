/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/store.h"
#include "lib/store/objects.h"
#include "lib/store/opens.h"
#include "lib/store/types.h"

#include <sys/random.h>
#include <unistd.h>

/* How many handles of one deleted object are told before it is another object's turn. */
#define TELL_TURN 64

_Static_assert(LAYOUT_REGION_HEADER_BYTES < STORE_REGION_BYTES_MIN, "a region holds objects");

/* ---- memory that is used again ---- */

/* Zero up to @bytes_max of the next run of touched pages. Returns the bytes zeroed, 0 when all is
 * clean. */
static uint64_t clean_some(struct store *store, struct object *object, uint64_t bytes_max)
{
	uint64_t end = object->extent.offset + object->extent.bytes, begin;
	uint64_t bytes = arena_touched(&store->arena, object->extent.offset + object->cleaned_bytes,
				       end, &begin);

	if (bytes > bytes_max)
		bytes = bytes_max & ~(uint64_t)(LAYOUT_LINE_BYTES - 1);
	if (bytes) {
		arena_zero(&store->arena, begin, bytes);
		object->cleaned_bytes = begin + bytes - object->extent.offset;
	}
	return bytes;
}

bool store_is_dirty(const struct store *store)
{
	return store->dirty.first != 0;
}

bool store_clean(struct store *store, uint64_t bytes_max)
{
	while (store->dirty.first && bytes_max >= LAYOUT_LINE_BYTES) {
		uint64_t bytes =
			clean_some(store, objects_at(store, store->dirty.first - 1), bytes_max);

		bytes_max -= bytes;
		if (bytes == 0)
			objects_retire(store, objects_unqueue(store, &store->dirty));
	}
	return store_is_dirty(store);
}

/* ---- the interface ---- */

static bool are_limits(const struct store_limits *limits)
{
	return limits->region_bytes >= STORE_REGION_BYTES_MIN &&
	       limits->region_bytes <= STORE_REGION_BYTES_MAX && limits->objects_max >= 1 &&
	       limits->objects_max <= STORE_OBJECTS_MAX && limits->opens_max >= 1 &&
	       limits->opens_max <= STORE_OPENS_MAX;
}

static int directory_open(struct store *store)
{
	uint32_t objects_max = store->limits.objects_max;
	uint32_t bucket_count = 1;

	while (bucket_count < objects_max)
		bucket_count *= 2;
	store->bucket_mask = bucket_count - 1;
	store->buckets = calloc(bucket_count, sizeof *store->buckets);
	store->named = calloc((objects_max + 63) / 64, sizeof *store->named);
	store->opened = calloc((objects_max + 63) / 64, sizeof *store->opened);
	if (!store->buckets || !store->named || !store->opened)
		return -ENOMEM;
	if (getrandom(store->secret, sizeof store->secret, 0) != sizeof store->secret)
		return -errno;
	return 0;
}

int store_new(const struct store_limits *limits, struct store **ret_store)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	struct store *store;
	int error;

	if (!are_limits(limits))
		return -EINVAL;
	store = calloc(1, sizeof *store);
	if (!store)
		return -ENOMEM;
	store->limits = *limits;
	store->objects.element_bytes = sizeof(struct object);
	error = arena_open(&store->arena,
			   (limits->region_bytes + page_bytes - 1) & ~(page_bytes - 1),
			   limits->objects_max);
	if (!error)
		error = directory_open(store);
	if (error) {
		store_free(store);
		return error;
	}
	*ret_store = store;
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	for (uint32_t index = 0; index < store->objects.count; index++) {
		struct object *object = objects_at(store, index);

		while (object->open_list)
			store_opener_end(object->open_list->opener);
		free(object->name);
	}
	chunks_clear(&store->objects);
	free(store->buckets);
	free(store->named);
	free(store->opened);
	arena_close(&store->arena);
	free(store);
}

int store_detach(struct store *store)
{
	return arena_detach(&store->arena);
}

void *store_base(const struct store *store)
{
	return store->arena.base;
}

uint64_t store_region_bytes(const struct store *store)
{
	return store->arena.bytes;
}

uint64_t store_used_bytes(const struct store *store)
{
	return extents_used_bytes(store->arena.extents);
}

uint32_t store_object_count(const struct store *store)
{
	return store->named_count;
}

int store_fd(const struct store *store)
{
	return store->arena.fd;
}

void store_hold_new(struct store *store, uint16_t owner)
{
	store->new_owner = owner;
}

void store_opener_begin(struct store *store, struct store_opener *opener,
			bool (*deleted)(struct store_opener *opener, uint32_t handle))
{
	*opener = (struct store_opener){
		.store = store,
		.deleted = deleted,
		.slots.element_bytes = sizeof(struct store_open),
	};
}

void store_opener_end(struct store_opener *opener)
{
	for (uint32_t slot = 1; opener->open_count; slot++) {
		struct store_open *open = opens_at(opener, slot);

		if (open->is_open)
			opens_close(open);
	}
	chunks_clear(&opener->slots);
	opener->vacant_slot = opener->untold_slot = 0;
	opener->store = NULL;
}

static enum wire_status create(struct store *store, unsigned type, uint64_t hash, const char *name,
			       size_t name_bytes, unsigned flags,
			       const uint64_t asked[TYPE_PARAMETERS], uint32_t *ret_index,
			       char *detail, size_t detail_bytes)
{
	uint64_t complete[TYPE_PARAMETERS];
	enum wire_status status;

	if (!(flags & CONTROL_OPEN_CREATE))
		return WIRE_NOT_FOUND;
	status = type_complete(type_entry(type), asked, complete, detail, detail_bytes);
	if (status == WIRE_OK)
		status = objects_create(store, type, hash, name, name_bytes, complete, ret_index,
					detail, detail_bytes);
	if (status == WIRE_OK)
		objects_at(store, *ret_index)->is_ephemeral = flags & CONTROL_OPEN_EPHEMERAL;
	return status;
}

/* Find the object that an open asks for, or create it. */
static enum wire_status look_up(struct store *store, unsigned type, const char *name,
				size_t name_bytes, unsigned flags,
				const uint64_t asked[TYPE_PARAMETERS], uint32_t *ret_index,
				char *detail, size_t detail_bytes)
{
	uint64_t hash = objects_hash(store, name, name_bytes);
	uint32_t link = *objects_find(store, hash, name, name_bytes);
	struct object *object;

	if (!link)
		return create(store, type, hash, name, name_bytes, flags, asked, ret_index, detail,
			      detail_bytes);
	object = objects_at(store, link - 1);
	if (object->type != type) {
		type_detail(detail, detail_bytes, "%s %s was asked for, it is %s %s",
			    type_article(type), type_name(type), type_article(object->type),
			    type_name(object->type));
		return WIRE_TYPE;
	}
	if (flags & CONTROL_OPEN_EPHEMERAL && !object->is_ephemeral) {
		type_detail(detail, detail_bytes,
			    "ephemeral: asked, the %s stays until it is deleted", type_name(type));
		return WIRE_PARAMETERS;
	}
	*ret_index = link - 1;
	return objects_fit(store, object, asked, detail, detail_bytes);
}

enum wire_status store_open(struct store_opener *opener, enum object_type type, const char *name,
			    size_t name_bytes, unsigned flags, const uint64_t parameters[4],
			    struct store_reference *ret_reference, char *detail,
			    size_t detail_bytes)
{
	static const uint64_t any[TYPE_PARAMETERS];
	enum wire_status status;
	uint32_t index;

	type_detail(detail, detail_bytes, "%s", "");
	if (!type_entry(type))
		return WIRE_MALFORMED;
	if (!objects_is_name(name, name_bytes))
		return WIRE_NAME;
	if (opener->open_count == opener->store->limits.opens_max) {
		type_detail(detail, detail_bytes, "%s of %s",
			    type_digits_of(opener->open_count).text,
			    type_digits_of(opener->store->limits.opens_max).text);
		return WIRE_OPENS_MAX;
	}
	if (opens_provide(opener))
		return objects_refuse_internal(detail, detail_bytes);
	status = look_up(opener->store, type, name, name_bytes, flags,
			 flags & CONTROL_OPEN_PARAMETERS ? parameters : any, &index, detail,
			 detail_bytes);
	if (status == WIRE_OK)
		opens_refer(opens_add(opener, index), ret_reference);
	return status;
}

bool store_refer(const struct store_opener *opener, uint32_t handle,
		 struct store_reference *ret_reference, bool *ret_deleted)
{
	const struct store_open *open = opens_find(opener, handle);

	if (!open)
		return false;
	opens_refer(open, ret_reference);
	*ret_deleted = !objects_at(opener->store, open->object)->name;
	return true;
}

/* Whether an object may have an extent of that number and length; 0: none is to be made. */
static bool is_extent(unsigned number, uint64_t bytes, char *detail, size_t detail_bytes)
{
	if (number < CONTROL_EXTENTS_MAX && bytes <= CONTROL_EXTENT_BYTES_MAX &&
	    bytes % CONTROL_EXTENT_UNIT_BYTES == 0)
		return true;
	type_detail(detail, detail_bytes,
		    "extent %u of %s bytes asked, an object has %d, each of up to %s bytes, in "
		    "units of %d",
		    number, type_digits_of(bytes).text, CONTROL_EXTENTS_MAX,
		    type_digits_of(CONTROL_EXTENT_BYTES_MAX).text, CONTROL_EXTENT_UNIT_BYTES);
	return false;
}

enum wire_status store_grow(struct store_opener *opener, uint32_t handle, unsigned number,
			    uint64_t bytes, struct store_extent *extents, unsigned count_max,
			    unsigned *ret_count, char *detail, size_t detail_bytes)
{
	const struct store_open *open = opens_find(opener, handle);
	struct object *object = open ? objects_at(opener->store, open->object) : NULL;
	enum wire_status status;

	type_detail(detail, detail_bytes, "%s", "");
	if (!object || !object->name)
		return WIRE_STALE;
	if (!is_extent(number, bytes, detail, detail_bytes))
		return WIRE_RANGE;
	*ret_count = objects_extents(opener->store, object, number, extents, count_max);
	if (*ret_count || !bytes)
		return WIRE_OK;
	status = objects_grow(opener->store, object, number, bytes, detail, detail_bytes);
	if (status == WIRE_OK)
		*ret_count = objects_extents(opener->store, object, number, extents, count_max);
	return status;
}

enum wire_status store_close(struct store_opener *opener, uint32_t handle)
{
	struct store_open *open = opens_find(opener, handle);

	if (!open)
		return WIRE_STALE;
	opens_close(open);
	return WIRE_OK;
}

/* Delete the object that @link leads to. Returns its deletion. */
static uint64_t delete_linked(struct store *store, uint32_t *link)
{
	uint32_t index = *link - 1;
	struct object *object = objects_at(store, index);
	uint64_t deletion = (uint64_t)object->generation << 32 | index;

	objects_remove(store, link);
	if (!object->opens) {
		objects_reclaim(store, index);
		return deletion;
	}
	object->is_telling = true;
	object->untold = object->open_list;
	objects_queue(store, &store->telling, index);
	return deletion;
}

enum wire_status store_delete(struct store *store, const char *name, size_t name_bytes,
			      uint64_t *ret_deletion)
{
	uint64_t deletion;
	uint32_t *link;

	if (!objects_is_name(name, name_bytes))
		return WIRE_NAME;
	link = objects_find(store, objects_hash(store, name, name_bytes), name, name_bytes);
	if (!*link)
		return WIRE_NOT_FOUND;
	deletion = delete_linked(store, link);
	if (ret_deletion)
		*ret_deletion = deletion;
	return WIRE_OK;
}

static void tell(struct store_open *open)
{
	struct store_opener *opener = open->opener;

	if (!opener->deleted || (!opener->untold_slot && opener->deleted(opener, open->handle)))
		return;
	open->is_untold = true;
	open->next_slot = opener->untold_slot;
	opener->untold_slot = open->handle & OPENS_SLOT_MASK;
}

/* Tell up to @count_max handles of the first deleted object that is due. Returns how many. */
static unsigned tell_some(struct store *store, unsigned count_max)
{
	uint32_t index = objects_unqueue(store, &store->telling);
	struct object *object = objects_at(store, index);
	unsigned count = 0;

	for (; object->untold && count < count_max; count++) {
		struct store_open *open = object->untold;

		object->untold = open->next;
		tell(open);
	}
	if (object->untold) {
		objects_queue(store, &store->telling, index);
		return count;
	}
	object->is_telling = false;
	if (!object->opens)
		objects_reclaim(store, index);
	return count;
}

bool store_tell(struct store *store, unsigned count_max)
{
	while (store->telling.first && count_max) {
		unsigned turn = count_max < TELL_TURN ? count_max : TELL_TURN;
		unsigned count = tell_some(store, turn);

		/* An object whose handles all came back meanwhile counts as work, too. */
		count_max -= count ? count : 1;
	}
	return store_is_telling(store);
}

bool store_is_telling(const struct store *store)
{
	return store->telling.first != 0;
}

bool store_is_told(const struct store *store, uint64_t deletion)
{
	const struct object *object = objects_at(store, (uint32_t)deletion);

	return object->generation != deletion >> 32 || !object->is_telling;
}

bool store_opener_tell(struct store_opener *opener)
{
	while (opener->untold_slot) {
		struct store_open *open = opens_at(opener, opener->untold_slot);

		if (open->is_open && !opener->deleted(opener, open->handle))
			return false;
		opener->untold_slot = open->next_slot;
		open->is_untold = false;
		if (!open->is_open)
			opens_make_vacant(open);
	}
	return true;
}

enum wire_status store_stat(const struct store *store, const char *name, size_t name_bytes,
			    struct store_object_stat *ret_stat)
{
	uint32_t link;

	if (!objects_is_name(name, name_bytes))
		return WIRE_NAME;
	link = *objects_find(store, objects_hash(store, name, name_bytes), name, name_bytes);
	if (!link)
		return WIRE_NOT_FOUND;
	objects_describe(objects_at(store, link - 1), ret_stat);
	return WIRE_OK;
}

/* The object at or after *cursor whose bit in @bits is set; *cursor moves behind it. */
static bool next_index(const struct store *store, const uint64_t *bits, uint32_t *cursor,
		       uint32_t *ret_index)
{
	for (uint64_t index = *cursor; index < store->objects.count;) {
		uint64_t left = bits[index / 64] >> index % 64;

		if (!left) {
			index = (index / 64 + 1) * 64;
			continue;
		}
		index += (unsigned)__builtin_ctzll(left);
		*ret_index = (uint32_t)index;
		*cursor = (uint32_t)index + 1;
		return true;
	}
	return false;
}

static bool next_of(const struct store *store, const uint64_t *bits, uint32_t *cursor,
		    struct store_object_stat *ret_stat)
{
	uint32_t index;

	if (!next_index(store, bits, cursor, &index))
		return false;
	objects_describe(objects_at(store, index), ret_stat);
	return true;
}

void store_delete_prefix(struct store *store, const char *prefix, size_t prefix_bytes,
			 struct store_prefix *ret_progress)
{
	struct store_prefix progress = {.cursor = ret_progress->cursor};
	uint32_t index;

	for (unsigned looks = 0; looks < PREFIX_LOOKS_MAX && progress.count < PREFIX_DELETED_MAX;
	     looks++) {
		const struct object *object;
		bool is_open;

		if (!next_index(store, store->named, &progress.cursor, &index)) {
			progress.cursor = 0;
			break;
		}
		object = objects_at(store, index);
		if (object->name_bytes < prefix_bytes || memcmp(object->name, prefix, prefix_bytes))
			continue;
		is_open = object->opens;
		progress.deletion = delete_linked(store, objects_link(store, index));
		progress.count++;
		if (is_open)
			break;
	}
	*ret_progress = progress;
}

bool store_next(const struct store *store, uint32_t *cursor, struct store_object_stat *ret_stat)
{
	return next_of(store, store->named, cursor, ret_stat);
}

bool store_next_open(const struct store *store, uint32_t *cursor,
		     struct store_object_stat *ret_stat)
{
	return next_of(store, store->opened, cursor, ret_stat);
}

bool store_opener_next(const struct store_opener *opener, uint32_t *cursor,
		       struct store_reference *ret_reference)
{
	for (uint32_t slot = *cursor ? *cursor : 1; slot <= opener->slots.count; slot++) {
		const struct store_open *open = opens_at(opener, slot);

		if (!open->is_open)
			continue;
		opens_refer(open, ret_reference);
		*cursor = slot + 1;
		return true;
	}
	return false;
}
