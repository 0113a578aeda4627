/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/region.h"
#include "lib/store/store.h"

#include "lib/store/arena.h"
#include "lib/store/token_clock.h"
#include "lib/store/types.h"

#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

#define CLEAN_AT_ONCE_BYTES 16384

/* Handles of one deleted object that are told of before another one's turn. */
#define TELL_TURN 64

/* A secret this long is all that XXH3 takes in, and one that getrandom gives whole. */
#define SECRET_BYTES 192

#define SLOT_BITS 20
#define SLOT_MASK ((1u << SLOT_BITS) - 1)

_Static_assert(STORE_OPENS_MAX == SLOT_MASK, "every slot fits into a handle");
_Static_assert(LAYOUT_REGION_HEADER_BYTES < STORE_REGION_BYTES_MIN, "a region holds objects");

/* An open: in its opener's table, and in the list of its object. */
struct store_open {
	struct store_opener *opener;
	struct store_open *previous;
	struct store_open *next;
	uint32_t object;
	uint32_t handle;    /* that it has, or will have */
	uint32_t next_slot; /* behind it in the list of vacant ones, or in that of untold ones */
	bool is_open;
	bool is_untold; /* in that list; if it was closed it becomes vacant when it leaves it */
};

struct object {
	char *name; /* NULL: deleted, and here only until its last handle is back */
	union {
		uint64_t hash;             /* of the name */
		struct store_open *untold; /* deleted, and being told: where to go on */
		uint64_t cleaned_bytes;    /* deleted, and nobody has it open */
	};
	struct store_open *open_list;
	uint64_t parameters[TYPE_PARAMETERS];
	uint64_t token_origin;
	struct extent extent;
	uint32_t next; /* in its bucket, or another list that it is in: index + 1, 0: none */
	uint32_t generation;
	uint32_t opens;
	/* index + 1 of one without a name that is this one's further memory, 0: none */
	uint32_t annex;
	uint16_t type;
	uint8_t name_bytes;
	bool is_telling; /* deleted, and some of those who have it open do not know */
};

/* Objects in the order of their coming: index + 1, 0: none. */
struct queue {
	uint32_t first, last;
};

struct store {
	struct store_limits limits;
	struct arena arena;

	/* The directory: buckets for as many objects as may be, so that it never stops to grow. */
	uint32_t *buckets; /* index + 1, 0: none */
	uint32_t bucket_mask;
	uint8_t secret[SECRET_BYTES]; /* without it nobody can choose names that share a bucket */

	struct chunks objects;
	uint32_t vacant_object; /* index + 1, 0: none */
	uint64_t *named;        /* a bit an object: has a name. Lets a listing pass over gaps */
	uint64_t *opened;       /* a bit an object: has a name, and somebody has it open */
	uint32_t named_count;
	uint32_t deleted_count; /* and still open, or to be cleaned */
	struct queue telling;   /* deleted ones that have to be told of */
	struct queue dirty;     /* those to be cleaned */
	uint32_t generation;    /* the last one given */
	uint16_t new_owner;     /* of locks that are created; 0: nobody */
};

static struct object *object_at(const struct store *store, uint32_t index)
{
	return chunks_at(&store->objects, index);
}

static void queue_append(const struct store *store, struct queue *queue, uint32_t index)
{
	object_at(store, index)->next = 0;
	if (queue->first)
		object_at(store, queue->last - 1)->next = index + 1;
	else
		queue->first = index + 1;
	queue->last = index + 1;
}

/* The index of the first, which there is. */
static uint32_t queue_take(const struct store *store, struct queue *queue)
{
	uint32_t index = queue->first - 1;

	queue->first = object_at(store, index)->next;
	return index;
}

/* ---- the directory ---- */

static bool is_name(const char *name, size_t name_bytes)
{
	return name_bytes >= 1 && name_bytes <= CONTROL_NAME_BYTES_MAX &&
	       !memchr(name, '\0', name_bytes);
}

static uint64_t hash_of(const struct store *store, const char *name, size_t name_bytes)
{
	return XXH3_64bits_withSecret(name, name_bytes, store->secret, sizeof store->secret);
}

/* The link, in a bucket or in an object, that leads to the object called @name, or to 0. */
static uint32_t *find_link(const struct store *store, uint64_t hash, const char *name,
			   size_t name_bytes)
{
	uint32_t *link = &store->buckets[hash & store->bucket_mask];

	while (*link) {
		struct object *object = object_at(store, *link - 1);

		if (object->hash == hash && object->name_bytes == name_bytes &&
		    !memcmp(object->name, name, name_bytes))
			break;
		link = &object->next;
	}
	return link;
}

/* Keep the bit of an object whose name or opens have changed. */
static void mark_opened(struct store *store, uint32_t index)
{
	const struct object *object = object_at(store, index);
	uint64_t bit = 1ULL << index % 64;

	if (object->name && object->opens)
		store->opened[index / 64] |= bit;
	else
		store->opened[index / 64] &= ~bit;
}

static void directory_add(struct store *store, uint32_t index)
{
	struct object *object = object_at(store, index);
	uint32_t *bucket = &store->buckets[object->hash & store->bucket_mask];

	object->next = *bucket;
	*bucket = index + 1;
	store->named[index / 64] |= 1ULL << index % 64;
	store->named_count++;
}

static void directory_remove(struct store *store, uint32_t *link)
{
	uint32_t index = *link - 1;
	struct object *object = object_at(store, index);

	*link = object->next;
	free(object->name);
	object->name = NULL;
	store->named[index / 64] &= ~(1ULL << index % 64);
	mark_opened(store, index);
	store->named_count--;
	store->deleted_count++;
}

/* ---- objects ---- */

/* Fill the zeroed memory of a new object. */
static void write_object(struct store *store, const struct object *object)
{
	le64_t held = le64_of(owned_word(0, store->new_owner));
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
	for (uint64_t i = 0; store->new_owner && i < type_lock_count(type, object->parameters); i++)
		region_write(memory + type->lock_offset + 8 * i, &held, sizeof held);
}

/* A vacant object, taken only when it is in use. Returns 0 or -ENOMEM. */
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

/* A deleted object is clean: its memory is anybody's, and it is vacant. */
static void retire(struct store *store, uint32_t index)
{
	struct object *object = object_at(store, index);

	extents_give(store->arena.extents, &object->extent);
	object->next = store->vacant_object;
	store->vacant_object = index + 1;
	store->deleted_count--;
}

/* Zero up to @bytes_max of the next run that was touched. Returns the bytes zeroed, 0 when all is
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

/* Nobody has a deleted object open any more, and all were told. What is short is zeroed at once,
 * the rest by store_clean. */
static void reclaim(struct store *store, uint32_t index)
{
	struct object *object = object_at(store, index);

	assert(!object->name && !object->opens && !object->open_list && !object->is_telling);
	if (object->annex)
		reclaim(store, object->annex - 1);
	object->annex = 0;
	object->cleaned_bytes = 0;
	if (object->extent.bytes > CLEAN_AT_ONCE_BYTES) {
		queue_append(store, &store->dirty, index);
		return;
	}
	arena_zero(&store->arena, object->extent.offset, object->extent.bytes);
	retire(store, index);
}

bool store_is_dirty(const struct store *store)
{
	return store->dirty.first != 0;
}

bool store_clean(struct store *store, uint64_t bytes_max)
{
	while (store->dirty.first && bytes_max >= LAYOUT_LINE_BYTES) {
		uint64_t bytes =
			clean_some(store, object_at(store, store->dirty.first - 1), bytes_max);

		bytes_max -= bytes;
		if (bytes == 0)
			retire(store, queue_take(store, &store->dirty));
	}
	return store_is_dirty(store);
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

static enum wire_status refuse_internal(char *detail, size_t detail_bytes)
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
		type_detail(detail, detail_bytes, "%s of %s, %s of them deleted and still open",
			    type_digits_of(store->limits.objects_max).text,
			    type_digits_of(store->limits.objects_max).text,
			    type_digits_of(store->deleted_count).text);
		return WIRE_OBJECTS_MAX;
	}
	if (provide_object(store))
		return refuse_internal(detail, detail_bytes);
	error = extents_take(store->arena.extents, length_bytes, &extent);
	if (error)
		return error == -ENOSPC
			       ? refuse_no_memory(store, length_bytes, detail, detail_bytes)
			       : refuse_internal(detail, detail_bytes);
	*ret_index = store->vacant_object - 1;
	object = object_at(store, *ret_index);
	store->vacant_object = object->next;
	*object = (struct object){.extent = extent};
	return WIRE_OK;
}

/* Make an object of checked type, name and parameters. *ret_index is not touched on failure. */
static enum wire_status create(struct store *store, unsigned type, uint64_t hash, const char *name,
			       size_t name_bytes, const uint64_t parameters[TYPE_PARAMETERS],
			       uint32_t *ret_index, char *detail, size_t detail_bytes)
{
	uint64_t length_bytes = type_entry(type)->length_bytes(parameters);
	char *name_copy = malloc(name_bytes);
	struct object *object;
	enum wire_status status;

	if (!name_copy)
		return refuse_internal(detail, detail_bytes);
	status = take_vacant(store, length_bytes, ret_index, detail, detail_bytes);
	if (status != WIRE_OK) {
		free(name_copy);
		return status;
	}
	memcpy(name_copy, name, name_bytes);
	if (++store->generation == 0)
		store->generation = 1;
	object = object_at(store, *ret_index);
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

/*
 * A future's capacity is that of the first who asks for one, however many have opened it without.
 * What its own memory has no room for lies in an annex, which counts as a deleted object that is
 * still open.
 */
static enum wire_status decide_capacity(struct store *store, struct object *future,
					uint64_t capacity, char *detail, size_t detail_bytes)
{
	enum wire_status status = WIRE_OK;
	uint32_t annex;

	if (capacity > future->parameters[FUTURE_PARAMETER_ROOM]) {
		status = take_vacant(store, capacity, &annex, detail, detail_bytes);
		if (status != WIRE_OK)
			return status;
		store->deleted_count++;
		future->annex = annex + 1;
		future->parameters[FUTURE_PARAMETER_ANNEX] = object_at(store, annex)->extent.offset;
	}
	future->parameters[FUTURE_PARAMETER_CAPACITY] = capacity;
	future->parameters[FUTURE_PARAMETER_UNDECIDED] = 0;
	return status;
}

/* Let an object that is there become what is asked for, where it can, and compare it with that. */
static enum wire_status fit(struct store *store, struct object *object,
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

/* ---- opens ---- */

static struct store_open *open_at(const struct store_opener *opener, uint32_t slot)
{
	return chunks_at(&opener->slots, slot - 1);
}

/* The open that @handle, any number, stands for, or NULL. */
static struct store_open *open_of(const struct store_opener *opener, uint32_t handle)
{
	uint32_t slot = handle & SLOT_MASK;
	struct store_open *open;

	if (slot == 0 || slot > opener->slots.count)
		return NULL;
	open = open_at(opener, slot);
	return open->is_open && open->handle == handle ? open : NULL;
}

/* Make sure that there is a vacant slot. Returns 0 or -ENOMEM. */
static int provide_slot(struct store_opener *opener)
{
	int error;

	if (opener->vacant_slot)
		return 0;
	error = chunks_append(&opener->slots);
	if (error)
		return error;
	opener->vacant_slot = opener->slots.count;
	open_at(opener, opener->vacant_slot)->handle = opener->vacant_slot;
	return 0;
}

/* Needs a vacant slot. */
static struct store_open *open_object(struct store_opener *opener, uint32_t index)
{
	struct object *object = object_at(opener->store, index);
	struct store_open *open = open_at(opener, opener->vacant_slot);

	opener->vacant_slot = open->next_slot;
	opener->open_count++;
	open->opener = opener;
	open->object = index;
	open->is_open = true;
	open->previous = NULL;
	open->next = object->open_list;
	if (open->next)
		open->next->previous = open;
	object->open_list = open;
	object->opens++;
	mark_opened(opener->store, index);
	return open;
}

static void make_vacant(struct store_open *open)
{
	open->next_slot = open->opener->vacant_slot;
	open->opener->vacant_slot = open->handle & SLOT_MASK;
}

static void close_open(struct store_open *open)
{
	struct store_opener *opener = open->opener;
	struct object *object = object_at(opener->store, open->object);

	if (object->is_telling && object->untold == open)
		object->untold = open->next;
	if (open->next)
		open->next->previous = open->previous;
	if (open->previous)
		open->previous->next = open->next;
	else
		object->open_list = open->next;
	object->opens--;
	mark_opened(opener->store, open->object);
	if (!object->name && !object->opens && !object->is_telling)
		reclaim(opener->store, open->object);
	open->is_open = false;
	if (!open->is_untold)
		make_vacant(open);
	opener->open_count--;
	open->handle += 1u << SLOT_BITS; /* the count of uses wraps, the slot below it stays */
}

static void refer(const struct store_open *open, struct store_reference *ret_reference)
{
	const struct object *object = object_at(open->opener->store, open->object);

	*ret_reference = (struct store_reference){
		.type = object->type,
		.generation = object->generation,
		.handle = open->handle,
		.offset = object->extent.offset,
		.length_bytes = object->extent.bytes,
		.token_origin = object->token_origin,
	};
	memcpy(ret_reference->parameters, object->parameters, sizeof object->parameters);
}

static void describe(const struct object *object, struct store_object_stat *ret_stat)
{
	*ret_stat = (struct store_object_stat){
		.type = object->type,
		.generation = object->generation,
		.opens = object->opens,
		.offset = object->extent.offset,
		.length_bytes = object->extent.bytes,
		.token_origin = object->token_origin,
		.name_bytes = object->name_bytes,
	};
	memcpy(ret_stat->parameters, object->parameters, sizeof object->parameters);
	memcpy(ret_stat->name, object->name, object->name_bytes);
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
		struct object *object = object_at(store, index);

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
		struct store_open *open = open_at(opener, slot);

		if (open->is_open)
			close_open(open);
	}
	chunks_clear(&opener->slots);
	opener->vacant_slot = opener->untold_slot = 0;
	opener->store = NULL;
}

/* The object that an open asks for: the one of that name, or a new one. */
static enum wire_status look_up(struct store *store, unsigned type, const char *name,
				size_t name_bytes, unsigned flags,
				const uint64_t asked[TYPE_PARAMETERS], uint32_t *ret_index,
				char *detail, size_t detail_bytes)
{
	uint64_t hash = hash_of(store, name, name_bytes);
	uint32_t link = *find_link(store, hash, name, name_bytes);
	uint64_t complete[TYPE_PARAMETERS];
	enum wire_status status;

	if (!link) {
		if (!(flags & CONTROL_OPEN_CREATE))
			return WIRE_NOT_FOUND;
		status = type_complete(type_entry(type), asked, complete, detail, detail_bytes);
		if (status != WIRE_OK)
			return status;
		return create(store, type, hash, name, name_bytes, complete, ret_index, detail,
			      detail_bytes);
	}
	if (object_at(store, link - 1)->type != type) {
		type_detail(detail, detail_bytes, "a %s was asked for, it is a %s",
			    type_entry(type)->name,
			    type_entry(object_at(store, link - 1)->type)->name);
		return WIRE_TYPE;
	}
	*ret_index = link - 1;
	return fit(store, object_at(store, link - 1), asked, detail, detail_bytes);
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
	if (!is_name(name, name_bytes))
		return WIRE_NAME;
	if (opener->open_count == opener->store->limits.opens_max) {
		type_detail(detail, detail_bytes, "%s of %s",
			    type_digits_of(opener->open_count).text,
			    type_digits_of(opener->store->limits.opens_max).text);
		return WIRE_OPENS_MAX;
	}
	if (provide_slot(opener))
		return refuse_internal(detail, detail_bytes);
	status = look_up(opener->store, type, name, name_bytes, flags,
			 flags & CONTROL_OPEN_PARAMETERS ? parameters : any, &index, detail,
			 detail_bytes);
	if (status == WIRE_OK)
		refer(open_object(opener, index), ret_reference);
	return status;
}

bool store_refer(const struct store_opener *opener, uint32_t handle,
		 struct store_reference *ret_reference, bool *ret_deleted)
{
	const struct store_open *open = open_of(opener, handle);

	if (!open)
		return false;
	refer(open, ret_reference);
	*ret_deleted = !object_at(opener->store, open->object)->name;
	return true;
}

enum wire_status store_close(struct store_opener *opener, uint32_t handle)
{
	struct store_open *open = open_of(opener, handle);

	if (!open)
		return WIRE_STALE;
	close_open(open);
	return WIRE_OK;
}

enum wire_status store_delete(struct store *store, const char *name, size_t name_bytes,
			      uint64_t *ret_deletion)
{
	struct object *object;
	uint32_t *link;
	uint32_t index;

	if (!is_name(name, name_bytes))
		return WIRE_NAME;
	link = find_link(store, hash_of(store, name, name_bytes), name, name_bytes);
	if (!*link)
		return WIRE_NOT_FOUND;
	index = *link - 1;
	object = object_at(store, index);
	if (ret_deletion)
		*ret_deletion = (uint64_t)object->generation << 32 | index;
	directory_remove(store, link);
	if (!object->opens) {
		reclaim(store, index);
		return WIRE_OK;
	}
	object->is_telling = true;
	object->untold = object->open_list;
	queue_append(store, &store->telling, index);
	return WIRE_OK;
}

static void tell(struct store_open *open)
{
	struct store_opener *opener = open->opener;

	if (!opener->deleted || (!opener->untold_slot && opener->deleted(opener, open->handle)))
		return;
	open->is_untold = true;
	open->next_slot = opener->untold_slot;
	opener->untold_slot = open->handle & SLOT_MASK;
}

/* Tell of up to @count_max handles of the first object that is being told of. Returns of how
 * many. */
static unsigned tell_some(struct store *store, unsigned count_max)
{
	uint32_t index = queue_take(store, &store->telling);
	struct object *object = object_at(store, index);
	unsigned count = 0;

	for (; object->untold && count < count_max; count++) {
		struct store_open *open = object->untold;

		object->untold = open->next;
		tell(open);
	}
	if (object->untold) {
		queue_append(store, &store->telling, index);
		return count;
	}
	object->is_telling = false;
	if (!object->opens)
		reclaim(store, index);
	return count;
}

bool store_tell(struct store *store, unsigned count_max)
{
	while (store->telling.first && count_max) {
		unsigned turn = count_max < TELL_TURN ? count_max : TELL_TURN;
		unsigned count = tell_some(store, turn);

		/* An object whose handles came back meanwhile is work, too. */
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
	const struct object *object = object_at(store, (uint32_t)deletion);

	return object->generation != deletion >> 32 || !object->is_telling;
}

bool store_opener_tell(struct store_opener *opener)
{
	while (opener->untold_slot) {
		struct store_open *open = open_at(opener, opener->untold_slot);

		if (open->is_open && !opener->deleted(opener, open->handle))
			return false;
		opener->untold_slot = open->next_slot;
		open->is_untold = false;
		if (!open->is_open)
			make_vacant(open);
	}
	return true;
}

enum wire_status store_stat(const struct store *store, const char *name, size_t name_bytes,
			    struct store_object_stat *ret_stat)
{
	uint32_t link;

	if (!is_name(name, name_bytes))
		return WIRE_NAME;
	link = *find_link(store, hash_of(store, name, name_bytes), name, name_bytes);
	if (!link)
		return WIRE_NOT_FOUND;
	describe(object_at(store, link - 1), ret_stat);
	return WIRE_OK;
}

/* The object at or after *cursor whose bit in @bits is set. */
static bool next_of(const struct store *store, const uint64_t *bits, uint32_t *cursor,
		    struct store_object_stat *ret_stat)
{
	for (uint64_t index = *cursor; index < store->objects.count;) {
		uint64_t left = bits[index / 64] >> index % 64;

		if (!left) {
			index = (index / 64 + 1) * 64;
			continue;
		}
		index += (unsigned)__builtin_ctzll(left);
		describe(object_at(store, (uint32_t)index), ret_stat);
		*cursor = (uint32_t)index + 1;
		return true;
	}
	return false;
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
		const struct store_open *open = open_at(opener, slot);

		if (!open->is_open)
			continue;
		refer(open, ret_reference);
		*cursor = slot + 1;
		return true;
	}
	return false;
}
