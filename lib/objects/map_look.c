/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking for keys. A look goes from state to state; each state is some operations of a batch, and
 * what is made of their results. Looks for many keys go in lock step, so that their operations are
 * in the same batches.
 */
#include "lib/core/clock.h"
#include "lib/objects/map.h"

/* ---- turns ---- */

static void fail(struct map_look *look, int error)
{
	look->state = MAP_LOOK_FAILED;
	look->error = error;
}

/* From the beginning, since others changed what was looked at. */
static void again(struct dso_map *map, struct map_look *look)
{
	int64_t now_ns = look->turns < 2 ? 0 : clock_now_ns();

	if (look->turns == 2)
		look->deadline_ns = now_ns + map->object.session->timeout_ns;
	if (look->turns++ > 2 && now_ns > look->deadline_ns) {
		fail(look, -ETIMEDOUT);
		return;
	}
	look->segment = *map_segment_of(map, look->key.hash);
	look->in_sibling = look->is_recalled = false;
	look->state = MAP_LOOK_READ;
}

static void learn(struct dso_map *map, struct map_look *look)
{
	int r = map_learn(map, look->key.hash);

	if (r)
		fail(look, r);
	else
		again(map, look);
}

static uint64_t slot_offset(const struct map_look *look)
{
	return map_slot_offset(&look->segment, look->key.bucket[look->side], look->index);
}

/* What the slot refers to is not its entry: it was torn, or used again since. If it is so twice,
 * with a slot that has not changed, it is damaged: the entry was whole when the slot was read for
 * the first time. */
static void damaged(struct dso_map *map, struct map_look *look)
{
	uint64_t offset = slot_offset(look);

	if (look->damaged_offset == offset && look->damaged_slot == look->slot) {
		look->state = MAP_LOOK_VERIFY;
		return;
	}
	look->damaged_offset = offset;
	look->damaged_slot = look->slot;
	again(map, look);
}

/* ---- verdicts ---- */

/* The new segment of one that splits. */
static void look_in_sibling(struct dso_map *map, struct map_look *look)
{
	uint64_t word;
	/* What was READ may be torn. */
	int r = map_load(map, look->segment.offset + MAP_SEGMENT_WORD_OFFSET, &word);

	if (r) {
		fail(look, r);
	} else if (word != look->word) {
		again(map, look);
	} else {
		r = map_sibling(map, &look->segment, word, &look->segment);
		look->in_sibling = true;
		look->state = MAP_LOOK_READ;
		if (r)
			fail(look, r);
	}
}

/* No slot has the key. Whether this was the place for it, the segment's word says. */
static void absent(struct dso_map *map, struct map_look *look)
{
	enum map_segment_state state = map_segment_state(look->word);
	unsigned depth = map_segment_depth(look->word);

	if (look->in_sibling) {
		if (state != MAP_SPLITTING && depth == look->segment.depth)
			look->state = MAP_LOOK_ABSENT;
		else
			learn(map, look);
	} else if (depth > look->segment.depth) {
		learn(map, look);
	} else if (depth < look->segment.depth) {
		fail(look, -EBADMSG);
	} else if (state == MAP_STABLE) {
		look->state = MAP_LOOK_ABSENT;
	} else if (look->is_writer) {
		look->state = MAP_LOOK_SPLIT;
	} else if (state == MAP_SPLITTING && look->key.hash >> depth & 1) {
		look_in_sibling(map, look);
	} else {
		look->state = MAP_LOOK_ABSENT;
	}
}

static void found(struct dso_map *map, struct map_look *look)
{
	bool is_there = map_slot_state(look->slot) == MAP_THERE;

	look->state = look->is_writer && !is_there ? MAP_LOOK_SPLIT : MAP_LOOK_FOUND;
	if (is_there && !look->in_sibling && look->block.reference)
		map_remember(map, &look->key, look->side, look->index, look->slot,
			     look->block.state);
}

static bool has_key(const struct map_look *look)
{
	return look->content.key_bytes == look->key.length &&
	       (look->key.length == 0 ||
		memcmp(look->content.key, look->key.bytes, look->key.length) == 0);
}

/* ---- whether another client has put the key meanwhile ---- */

static bool may_be_put_since(const struct map_look *look)
{
	return look->is_writer && (look->met || look->witnessed);
}

/* Behind the READ of a block: its state, which is another one as soon as it is used again. */
static void ask_for_state(struct dso_map *map, struct map_look *look, uint64_t offset)
{
	if (!may_be_put_since(look))
		return;
	look->state_op = map->op_count;
	map_op(map, op_load(offset));
}

/* Behind the READ of the slot. */
static void ask_for_waiters(struct dso_map *map, const struct map_look *look)
{
	if (may_be_put_since(look))
		map_ask_for_waiters(map);
}

/* Whether what was read of the block is its entry, and was not torn: its checksum tells, or where
 * not all of it was read the block's state. */
static bool is_stable(const struct dso_map *map, const struct map_look *look)
{
	struct map_content content;

	if (look->state_op == 0 ||
	    !map_entry_content(look->room, look->have_bytes, look->slot, &content))
		return false;
	if (map_content_bytes(&content) <= look->have_bytes)
		return map_entry_is_whole(look->room, &content);
	return map->ops[look->state_op].value == content.state;
}

static void learn_if_put_since(const struct dso_map *map, struct map_look *look)
{
	look->is_stable = is_stable(map, look);
	look->has_waiters = may_be_put_since(look) && map_has_waiters(map);
}

bool map_look_is_put_since(struct map_look *look)
{
	if (look->witnessed == 0)
		look->witnessed = look->slot;
	return (look->is_stable || look->block.reference == 0) &&
	       look->content.version & MAP_VERSION_PUT &&
	       !map_slot_has_version(look->witnessed, look->content.version);
}

/* ---- candidates ---- */

static void examine_cell(struct dso_map *map, struct map_look *look)
{
	const struct map_cell *cell =
		map_image_cell(look, look->side, (unsigned)map_slot_reference(look->slot) - 1);

	if (!look->segment.has_cells || map_slot_reference(look->slot) == 0 ||
	    !map_cell_content(cell, look->slot, &look->content)) {
		damaged(map, look);
	} else if (has_key(look)) {
		look->block = (struct space_name){0};
		look->cell_word = le64_get(cell->word);
		found(map, look);
	}
}

/* The next slots that may have the key, until one takes an operation, or there is a verdict. */
static void examine(struct dso_map *map, struct map_look *look)
{
	while (look->state == MAP_LOOK_EXAMINE) {
		unsigned bit;

		if (look->candidates == 0) {
			absent(map, look);
			return;
		}
		bit = (unsigned)__builtin_ctz(look->candidates);
		look->candidates &= look->candidates - 1;
		look->side = bit / MAP_SLOTS;
		look->index = bit % MAP_SLOTS;
		look->slot = map_image_slot(look, look->side, look->index);
		if (map_slot_is_inline(look->slot))
			examine_cell(map, look);
		else
			look->state = MAP_LOOK_FETCH;
	}
}

/* ---- the operations of each state ---- */

static void read_buckets(struct dso_map *map, struct map_look *look)
{
	const struct map_segment *segment = &look->segment;

	for (unsigned side = 0; side < 2; side++)
		map_op(map, map_read_op(map_bucket_offset(segment, look->key.bucket[side]),
					look->image[side], MAP_BUCKET_BYTES(segment->has_cells)));
	/* Behind the buckets: if it says that nothing was split, nothing was then. */
	map_op(map, map_read_op(segment->offset + MAP_SEGMENT_WORD_OFFSET, &look->word,
				sizeof look->word));
	look->state_op = 0;
	ask_for_waiters(map, look);
}

static void have_buckets(struct dso_map *map, struct map_look *look)
{
	learn_if_put_since(map, look);
	look->candidates = 0;
	for (unsigned bit = 0; bit < 2 * MAP_SLOTS; bit++) {
		uint64_t slot = map_image_slot(look, bit / MAP_SLOTS, bit % MAP_SLOTS);

		if (map_slot_state(slot) >= MAP_THERE &&
		    map_slot_fingerprint(slot) == look->key.fingerprint)
			look->candidates |= 1U << bit;
	}
	look->state = MAP_LOOK_EXAMINE;
	examine(map, look);
}

/* How much of a block is read at first: where only the key matters, that. All of a short entry has
 * a checksum. */
static size_t guess(const struct dso_map *map, const struct map_look *look)
{
	size_t key_bytes = sizeof(struct map_entry) + look->key.length;

	if (!look->wants_value && !may_be_put_since(look))
		return key_bytes;
	return map->guess_bytes > key_bytes ? map->guess_bytes : key_bytes;
}

static void read_block(struct dso_map *map, struct map_look *look)
{
	uint64_t reference = map_slot_reference(look->slot), left, offset;
	const struct space_place *extent;
	int r = space_find(&map->space, reference, sizeof(struct map_entry), &offset);

	look->have_bytes = 0;
	look->state_op = 0;
	if (r == -EBADMSG)
		return;
	if (r) {
		fail(look, r);
		return;
	}
	extent = &map->space.extents[space_reference_extent(reference)];
	left = extent->offset + extent->bytes - offset;
	look->have_bytes = guess(map, look) < left ? guess(map, look) : left;
	map_ops_long(map, DATA_READ, offset, look->room, look->have_bytes);
	ask_for_state(map, look, offset);
}

static void have_other_key(struct dso_map *map, struct map_look *look)
{
	bool is_sure = map_content_bytes(&look->content) <= look->have_bytes &&
		       map_entry_is_whole(look->room, &look->content);

	if (look->is_recalled) {
		map_forget(map, &look->key);
		again(map, look);
		return;
	}
	look->state = is_sure ? MAP_LOOK_EXAMINE : MAP_LOOK_CONFIRM;
	examine(map, look);
}

/* The guess follows the lengths that are met: up at once, down slowly. */
static void guess_by(struct dso_map *map, size_t bytes)
{
	if (bytes > MAP_GUESS_MAX)
		bytes = MAP_GUESS_MAX;
	if (bytes > map->guess_bytes)
		map->guess_bytes = bytes;
	else if (map->guess_bytes > MAP_GUESS_MIN)
		map->guess_bytes -= (map->guess_bytes - bytes) / 64;
}

static void have_value(struct dso_map *map, struct map_look *look)
{
	guess_by(map, map_content_bytes(&look->content));
	if (map_entry_is_whole(look->room, &look->content))
		found(map, look);
	else
		damaged(map, look);
}

static void have_block(struct dso_map *map, struct map_look *look)
{
	size_t bytes;

	if (!map_entry_content(look->room, look->have_bytes, look->slot, &look->content)) {
		damaged(map, look);
		return;
	}
	bytes = map_content_bytes(&look->content);
	look->block = (struct space_name){map_slot_reference(look->slot), look->content.state};
	if (look->content.key_bytes > look->have_bytes - sizeof(struct map_entry) ||
	    !has_key(look)) {
		have_other_key(map, look);
	} else if (!look->wants_value) {
		look->state = MAP_LOOK_AFFIRM;
		if (!look->wants_sure)
			found(map, look);
	} else if (bytes <= look->have_bytes) {
		have_value(map, look);
	} else {
		look->state = bytes <= look->room_bytes ? MAP_LOOK_REST : MAP_LOOK_LONG;
	}
}

/* ---- of a place that is remembered ---- */

static void read_recalled(struct dso_map *map, struct map_look *look)
{
	read_block(map, look);
	/* Last: the answers to READs of falling lengths go in one run of packets. */
	map_op(map, map_read_op(slot_offset(look), &look->slot_now, sizeof look->slot_now));
	ask_for_waiters(map, look);
}

/* Where a CAS of this call has met the slot, whose block was read then: is that the key's entry? */
static void witness(struct map_look *look)
{
	if (look->slot == look->met && look->is_stable &&
	    map_entry_content(look->room, look->have_bytes, look->slot, &look->content) &&
	    look->content.key_bytes <= look->have_bytes - sizeof(struct map_entry) && has_key(look))
		look->witnessed = look->slot;
}

static void have_recalled(struct dso_map *map, struct map_look *look)
{
	uint64_t now = look->slot_now;

	learn_if_put_since(map, look);
	if (now == look->slot) {
		have_block(map, look);
	} else if (map_slot_state(now) == MAP_THERE && !map_slot_is_inline(now) &&
		   map_slot_fingerprint(now) == look->key.fingerprint) {
		/* Another client has put the key, most likely. */
		witness(look);
		look->slot = now;
		look->state = MAP_LOOK_FETCH;
	} else {
		map_forget(map, &look->key);
		again(map, look);
	}
}

static void fetch(struct dso_map *map, struct map_look *look)
{
	read_block(map, look);
	ask_for_waiters(map, look);
}

static void have_fetched(struct dso_map *map, struct map_look *look)
{
	learn_if_put_since(map, look);
	have_block(map, look);
}

static void read_rest(struct dso_map *map, struct map_look *look)
{
	size_t bytes = map_content_bytes(&look->content);
	uint64_t offset;
	int r = space_find(&map->space, look->block.reference, bytes, &offset);

	if (r)
		fail(look, r);
	else
		map_ops_long(map, DATA_READ, offset + look->have_bytes,
			     look->room + look->have_bytes, bytes - look->have_bytes);
}

static void load_slot(struct dso_map *map, struct map_look *look)
{
	map_op(map, op_load(slot_offset(look)));
}

static void have_confirmed(struct dso_map *map, struct map_look *look)
{
	if (map->ops[look->op].value != look->slot) {
		again(map, look);
		return;
	}
	look->state = MAP_LOOK_EXAMINE;
	examine(map, look);
}

static void have_affirmed(struct dso_map *map, struct map_look *look)
{
	if (map->ops[look->op].value == look->slot)
		found(map, look);
	else
		again(map, look);
}

static void have_verified(struct dso_map *map, struct map_look *look)
{
	if (map->ops[look->op].value == look->slot)
		fail(look, -EBADMSG);
	else
		again(map, look);
}

static const struct {
	void (*ask)(struct dso_map *map, struct map_look *look);
	void (*have)(struct dso_map *map, struct map_look *look);
} states[MAP_LOOK_FAILED + 1] = {
	[MAP_LOOK_RECALL] = {read_recalled, have_recalled},
	[MAP_LOOK_READ] = {read_buckets, have_buckets},
	[MAP_LOOK_FETCH] = {fetch, have_fetched},
	[MAP_LOOK_REST] = {read_rest, have_value},
	[MAP_LOOK_CONFIRM] = {load_slot, have_confirmed},
	[MAP_LOOK_AFFIRM] = {load_slot, have_affirmed},
	[MAP_LOOK_VERIFY] = {load_slot, have_verified},
};

/* ---- the run ---- */

static void begin(struct dso_map *map, struct map_look *look, unsigned number, unsigned count)
{
	look->room_bytes = MAP_ROOM_BYTES / count & ~(size_t)7;
	look->room = map->room + number * look->room_bytes;
	look->turns = 0;
	look->damaged_offset = 0;
	again(map, look);
	if (map_recall(map, look))
		look->state = MAP_LOOK_RECALL;
}

/* One batch. Returns whether a look goes on. */
static bool turn(struct dso_map *map, struct map_look **looks, unsigned count)
{
	bool goes_on = false;
	int r;

	map_begin(map, NULL);
	for (unsigned i = 0; i < count; i++) {
		looks[i]->op = map->op_count;
		if (states[looks[i]->state].ask)
			states[looks[i]->state].ask(map, looks[i]);
	}
	r = map_execute(map);
	for (unsigned i = 0; i < count; i++) {
		if (!states[looks[i]->state].have)
			continue;
		if (r)
			fail(looks[i], r);
		else
			states[looks[i]->state].have(map, looks[i]);
		goes_on |= states[looks[i]->state].ask != NULL;
	}
	return goes_on;
}

void map_look(struct dso_map *map, struct map_look **looks, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		begin(map, looks[i], i, count);
	while (turn(map, looks, count))
		;
}
