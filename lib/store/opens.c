/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store/opens.h"

#include <string.h>

_Static_assert(STORE_OPENS_MAX == OPENS_SLOT_MASK, "every slot fits into a handle");

struct store_open *opens_at(const struct store_opener *opener, uint32_t slot)
{
	return chunks_at(&opener->slots, slot - 1);
}

struct store_open *opens_find(const struct store_opener *opener, uint32_t handle)
{
	uint32_t slot = handle & OPENS_SLOT_MASK;
	struct store_open *open;

	if (slot == 0 || slot > opener->slots.count)
		return NULL;
	open = opens_at(opener, slot);
	return open->is_open && open->handle == handle ? open : NULL;
}

int opens_provide(struct store_opener *opener)
{
	int error;

	if (opener->vacant_slot)
		return 0;
	error = chunks_append(&opener->slots);
	if (error)
		return error;
	opener->vacant_slot = opener->slots.count;
	opens_at(opener, opener->vacant_slot)->handle = opener->vacant_slot;
	return 0;
}

struct store_open *opens_add(struct store_opener *opener, uint32_t index)
{
	struct object *object = objects_at(opener->store, index);
	struct store_open *open = opens_at(opener, opener->vacant_slot);

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
	objects_mark_opened(opener->store, index);
	return open;
}

void opens_make_vacant(struct store_open *open)
{
	open->next_slot = open->opener->vacant_slot;
	open->opener->vacant_slot = open->handle & OPENS_SLOT_MASK;
}

void opens_close(struct store_open *open)
{
	struct store_opener *opener = open->opener;
	struct object *object = objects_at(opener->store, open->object);

	if (object->is_telling && object->untold == open)
		object->untold = open->next;
	if (open->next)
		open->next->previous = open->previous;
	if (open->previous)
		open->previous->next = open->next;
	else
		object->open_list = open->next;
	object->opens--;
	objects_mark_opened(opener->store, open->object);
	if (object->name && object->is_ephemeral && !object->opens)
		objects_remove(opener->store, objects_link(opener->store, open->object));
	if (!object->name && !object->opens && !object->is_telling)
		objects_reclaim(opener->store, open->object);
	open->is_open = false;
	if (!open->is_untold)
		opens_make_vacant(open);
	opener->open_count--;
	open->handle +=
		1u << OPENS_SLOT_BITS; /* the count of uses wraps, the slot below it stays */
}

void opens_refer(const struct store_open *open, struct store_reference *ret_reference)
{
	const struct object *object = objects_at(open->opener->store, open->object);

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
