/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of entries. A change begins with a look, goes through the steps that its kind takes, and
 * begins anew where another client was quicker. Changes of many keys go in lock step, as looks do.
 */
#include "lib/core/clock.h"
#include "lib/objects/map_change.h"

/* ---- beginning anew, and the end ---- */

static void give_back(struct dso_map *map, struct map_change *change)
{
	if (change->block.bytes)
		space_give(&map->space, &change->block);
	change->block.bytes = 0;
	change->is_written = false;
}

void map_change_finish(struct dso_map *map, struct map_change *change, int result)
{
	change->step = MAP_CHANGE_DONE;
	change->result = result;
	give_back(map, change);
}

void map_change_again(struct dso_map *map, struct map_change *change)
{
	int64_t now_ns = clock_now_ns();

	change->step = MAP_CHANGE_LOOK;
	change->is_blind = false;
	if (change->attempts++ == 0)
		change->deadline_ns = now_ns + map->object.session->timeout_ns;
	else if (now_ns > change->deadline_ns)
		map_change_finish(map, change, -ETIMEDOUT);
	else
		map_back_off(map, change->attempts);
}

static uint64_t slot_offset(const struct map_change *change, unsigned side, unsigned index)
{
	return map_slot_offset(&change->look->segment, change->look->key.bucket[side], index);
}

static void free_cell(struct dso_map *map, struct map_change *change)
{
	if (change->cell)
		map_free_cell(map, map_change_cell(change, change->side, change->cell),
			      change->cell_word);
	change->cell = 0;
}

/* ---- steps ---- */

static void claim(struct dso_map *map, struct map_change *change)
{
	map_op(map, map_cas_op(map_change_cell(change, change->side, change->cell),
			       change->cell_before, change->cell_word));
}

static void claimed(struct dso_map *map, struct map_change *change)
{
	if (map->ops[change->op].value == change->cell_before) {
		change->step = MAP_CHANGE_SWAP;
		return;
	}
	change->cell = 0;
	map_change_again(map, change);
}

static void cas_slot(struct dso_map *map, struct map_change *change, uint64_t expected,
		     uint64_t value)
{
	change->op = map->op_count;
	map_op(map, map_cas_op(slot_offset(change, change->side, change->index), expected, value));
}

/* The state of the block that is written over without a look. It says which use of the block it
 * was. As long as an answer to an atomic, so that it goes in a run with those. */
static void read_old_state(struct dso_map *map, struct map_change *change)
{
	uint64_t offset;

	change->old_state = 0;
	if (space_find(&map->space, change->look->block.reference, sizeof change->old_state,
		       &offset) == 0)
		map_op(map, map_read_op(offset, &change->old_state, sizeof change->old_state));
}

/* Of an entry that was written over without a look, its head. */
static void read_old(struct dso_map *map, struct map_change *change)
{
	uint64_t offset;

	change->old_bytes = sizeof(struct map_entry) + change->look->key.length;
	if (space_find(&map->space, change->look->block.reference, change->old_bytes, &offset))
		change->old_bytes = 0;
	else
		map_op(map, map_read_op(offset, change->old, change->old_bytes));
}

static void swap(struct dso_map *map, struct map_change *change)
{
	if (change->request.kind != MAP_REMOVE)
		map_write_entry(map, change);
	cas_slot(map, change, change->before, change->slot);
}

/* The slot has the entry: block or cell are no longer this session's. */
static void published(struct dso_map *map, struct map_change *change)
{
	if (change->cell == 0) {
		map_remember(map, &change->look->key, change->side, change->index,
			     map_slot_with(change->slot, MAP_THERE), change->block.name.state);
		change->block.bytes = 0;
	}
	change->version = change->entry_version;
	map_change_finish(map, change, 0);
}

/* What was written over without a look was an entry of the key. Its block may have another state
 * than this client remembered. Where it has no entry of the slot any more, a recovery has freed it
 * since. */
static bool was_of_key(struct map_change *change)
{
	const struct map_key *key = &change->look->key;
	struct map_content old;

	if (!map_entry_content(change->old, change->old_bytes, change->before, &old))
		return true;
	change->look->block.state = old.state;
	return old.key_bytes == key->length &&
	       (key->length == 0 || memcmp(old.key, key->bytes, key->length) == 0);
}

/* Another client was quicker, or has been since this one has seen the slot. */
static void not_swapped(struct dso_map *map, struct map_change *change, uint64_t now)
{
	const struct map_key *key = &change->look->key;

	free_cell(map, change);
	change->look->met = now;
	if (map_slot_state(now) == MAP_THERE && !map_slot_is_inline(now) &&
	    map_slot_fingerprint(now) == key->fingerprint)
		map_remember(map, key, change->side, change->index, now, 0);
	else
		map_forget(map, key);
	map_change_again(map, change);
}

/* What the slot referred to was the key's, and is this client's to free. */
static void have_swapped(struct dso_map *map, struct map_change *change)
{
	const struct map_look *look = change->look;

	if (look->block.reference)
		space_retire(&map->space, &look->block);
	else
		map_free_cell(map,
			      map_change_cell(change, change->side,
					      (unsigned)map_slot_reference(change->before)),
			      look->cell_word);
	if (change->request.kind == MAP_REMOVE) {
		map_forget(map, &look->key);
		map_change_finish(map, change, 0);
	} else {
		published(map, change);
	}
}

static void swapped(struct dso_map *map, struct map_change *change)
{
	if (map->ops[change->op].value != change->before)
		not_swapped(map, change, map->ops[change->op].value);
	else if (change->is_blind && change->old_state != change->look->block.state)
		change->step = MAP_CHANGE_INSPECT;
	else
		have_swapped(map, change);
}

static void inspected(struct dso_map *map, struct map_change *change)
{
	if (was_of_key(change))
		have_swapped(map, change);
	else
		change->step = MAP_CHANGE_RESTORE;
}

static void restore(struct dso_map *map, struct map_change *change)
{
	cas_slot(map, change, change->slot, change->before);
}

/* Where it was not, another client has written over what this one has put. */
static void restored(struct dso_map *map, struct map_change *change)
{
	map_forget(map, &change->look->key);
	if (map->ops[change->op].value == change->slot) {
		map_change_again(map, change);
		return;
	}
	space_retire(&map->space, &change->look->block);
	published(map, change);
}

static void try_insert(struct dso_map *map, struct map_change *change)
{
	const struct map_segment *segment = &change->look->segment;

	if (change->cell)
		claim(map, change);
	else
		map_write_block(map, change);
	cas_slot(map, change, change->before, change->slot);
	for (unsigned side = 0; side < 2; side++)
		map_op(map, map_read_op(map_bucket_offset(segment, change->look->key.bucket[side]),
					change->image[side], sizeof change->image[side]));
	map_op(map, map_read_op(segment->offset + MAP_SEGMENT_WORD_OFFSET, &change->word,
				sizeof change->word));
}

static bool may_be_same_key(const struct map_change *change, uint64_t slot)
{
	return map_slot_state(slot) != MAP_EMPTY &&
	       map_slot_fingerprint(slot) == change->look->key.fingerprint;
}

/* Which slots are not as they were at the look, or provisional with the same fingerprint. */
static void find_unsettled(struct map_change *change)
{
	change->unsettled = 0;
	for (unsigned bit = 0; bit < 2 * MAP_SLOTS; bit++) {
		unsigned side = bit / MAP_SLOTS, index = bit % MAP_SLOTS;
		uint64_t before = map_image_slot(change->look, side, index);
		uint64_t now = map_slot_at(change->image[side], index);
		bool is_rival;

		if (side == change->side && index == change->index)
			continue;
		is_rival = map_slot_state(now) == MAP_PROVISIONAL && may_be_same_key(change, now);
		change->seen[bit] = is_rival ? now : before;
		if (now != before || is_rival)
			change->unsettled |= 1U << bit;
	}
}

static void inserted(struct dso_map *map, struct map_change *change)
{
	const struct map_segment *segment = &change->look->segment;
	bool has_cell = change->cell && map->ops[change->op - 1].value == change->cell_before;
	bool is_stable = change->word == map_segment_word(MAP_STABLE, segment->depth, false, 0);

	if (change->cell && !has_cell)
		change->cell = 0, change->is_robbed = true;
	if (map->ops[change->op].value != change->before) {
		free_cell(map, change);
		map_change_again(map, change);
		return;
	}
	find_unsettled(change);
	if (change->is_robbed || !is_stable)
		change->step = MAP_CHANGE_UNDO;
	else
		change->step = change->unsettled ? MAP_CHANGE_SETTLE : MAP_CHANGE_PUBLISH;
}

/* Load what has changed; set to empty what is provisional. */
static void settle(struct dso_map *map, struct map_change *change)
{
	for (uint32_t left = change->unsettled; left; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctz(left);
		uint64_t offset = slot_offset(change, bit / MAP_SLOTS, bit % MAP_SLOTS);
		uint64_t slot = change->seen[bit];

		if (map_slot_state(slot) == MAP_PROVISIONAL && may_be_same_key(change, slot))
			map_op(map,
			       map_cas_op(offset, slot, map_slot_with(map_number(map), MAP_EMPTY)));
		else
			map_op(map, op_load(offset));
	}
}

static void settled(struct dso_map *map, struct map_change *change)
{
	unsigned op = change->op;

	for (uint32_t left = change->unsettled; left; left &= left - 1, op++) {
		unsigned bit = (unsigned)__builtin_ctz(left);
		uint64_t slot = map->ops[op].value, before = change->seen[bit];
		bool was_emptied = map->ops[op].opcode == DATA_CAS && slot == before;

		change->seen[bit] = slot;
		if (was_emptied || !may_be_same_key(change, slot) ||
		    (map_slot_state(slot) == MAP_THERE &&
		     slot == map_image_slot(change->look, bit / MAP_SLOTS, bit % MAP_SLOTS))) {
			change->unsettled &= ~(1U << bit);
		} else if (map_slot_state(slot) != MAP_PROVISIONAL) {
			change->step = MAP_CHANGE_UNDO;
			return;
		}
	}
	if (change->unsettled == 0)
		change->step = MAP_CHANGE_PUBLISH;
}

static void publish(struct dso_map *map, struct map_change *change)
{
	if (change->cell)
		map_write_cell(map, change);
	cas_slot(map, change, change->slot, map_slot_with(change->slot, MAP_THERE));
}

static void have_published(struct dso_map *map, struct map_change *change)
{
	if (map->ops[change->op].value == change->slot) {
		published(map, change);
		return;
	}
	free_cell(map, change);
	map_change_again(map, change);
}

static void undo(struct dso_map *map, struct map_change *change)
{
	cas_slot(map, change, change->slot, map_slot_with(map_number(map), MAP_EMPTY));
}

static void undone(struct dso_map *map, struct map_change *change)
{
	free_cell(map, change);
	map_change_again(map, change);
}

/* Set the provisional slots to empty that are in the way. */
static void clear(struct dso_map *map, struct map_change *change)
{
	for (uint32_t left = change->unsettled; left; left &= left - 1) {
		unsigned bit = (unsigned)__builtin_ctz(left);

		map_op(map,
		       map_cas_op(slot_offset(change, bit / MAP_SLOTS, bit % MAP_SLOTS),
				  change->seen[bit], map_slot_with(map_number(map), MAP_EMPTY)));
	}
}

static const struct {
	void (*ask)(struct dso_map *map, struct map_change *change);
	void (*have)(struct dso_map *map, struct map_change *change);
} steps[MAP_CHANGE_DONE + 1] = {
	[MAP_CHANGE_CLAIM] = {claim, claimed},
	[MAP_CHANGE_SWAP] = {swap, swapped},
	[MAP_CHANGE_INSPECT] = {read_old, inspected},
	[MAP_CHANGE_INSERT] = {try_insert, inserted},
	[MAP_CHANGE_SETTLE] = {settle, settled},
	[MAP_CHANGE_PUBLISH] = {publish, have_published},
	[MAP_CHANGE_UNDO] = {undo, undone},
	[MAP_CHANGE_RESTORE] = {restore, restored},
	[MAP_CHANGE_CLEAR] = {clear, map_change_again},
};

/* ---- the run ---- */

unsigned map_claimed_blocks(struct dso_map *map, struct space_block **blocks)
{
	unsigned count = 0;

	for (unsigned i = 0; i < map->change_count; i++) {
		struct space_block *block = &map->changes[i].block;

		if (block->bytes && block->is_claimed)
			blocks[count++] = block;
	}
	return count;
}

/* WRITE what goes to blocks that an earlier batch has claimed: the longest packets first, so that
 * fewer runs of packets leave (lib/roce/batch.h). */
static void write_claimed(struct dso_map *map, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct map_change *change = &map->changes[i];

		if (change->step == MAP_CHANGE_SWAP && change->request.kind != MAP_REMOVE &&
		    change->cell == 0 && change->block.is_claimed)
			map_write_block(map, change);
	}
}

/* What the space has to know of the batch. */
static void begin(struct dso_map *map, unsigned count)
{
	struct space_block *taken[MAP_MANY];
	struct space_name outgoing[MAP_MANY];
	struct space_change about = {.taken = taken, .outgoing = outgoing};

	for (unsigned i = 0; i < count; i++) {
		struct map_change *change = &map->changes[i];

		if (change->block.bytes && (change->block.is_claimed || change->cell == 0))
			taken[about.taken_count++] = &change->block;
		if (change->step == MAP_CHANGE_SWAP && change->look->block.reference)
			outgoing[about.outgoing_count++] = change->look->block;
	}
	map->op_count = 0;
	write_claimed(map, count);
	map_prepare(map, &about);
}

static bool publishes(const struct map_change *change)
{
	return change->step == MAP_CHANGE_PUBLISH || change->step == MAP_CHANGE_INSPECT ||
	       (change->step == MAP_CHANGE_SWAP && change->request.kind != MAP_REMOVE);
}

/* Wake those who wait. Where that fails the entries are there, and waiters learn of them when
 * storaged ends the session. */
static void tell_waiters(struct dso_map *map, unsigned count, uint32_t published)
{
	int r = map_wake(map);

	for (unsigned i = 0; r && i < count; i++)
		if (published >> i & 1 && map->changes[i].result == 0)
			map->changes[i].result = r;
}

/* Which changes are done, and were in the batch, of those in @asked. */
static uint32_t which_are_done(const struct dso_map *map, unsigned count, uint32_t asked)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < count; i++)
		if (map->changes[i].step == MAP_CHANGE_DONE && map->changes[i].result == 0)
			done |= asked & 1U << i;
	return done;
}

/* Whether it has written over an entry that may be another key's. */
static bool has_written_over(const struct map_change *change)
{
	return change->step == MAP_CHANGE_INSPECT || change->step == MAP_CHANGE_RESTORE;
}

/* One batch. Returns 0, or the error of the session. */
static int turn(struct dso_map *map, unsigned count)
{
	uint32_t published = 0;
	bool has_waiters;
	int r;

	begin(map, count);
	for (unsigned i = 0; i < count; i++) {
		struct map_change *change = &map->changes[i];

		change->op = map->op_count;
		published |= (uint32_t)publishes(change) << i;
		if (steps[change->step].ask)
			steps[change->step].ask(map, change);
	}
	if (published)
		map_ask_for_waiters(map);
	/* Last: a transport may have what writes wait for the answers to all READs before it. Since
	 * the CAS nobody but this client frees the block. */
	for (unsigned i = 0; i < count; i++)
		if (map->changes[i].step == MAP_CHANGE_SWAP && map->changes[i].is_blind)
			read_old_state(map, &map->changes[i]);
	r = map_execute(map);
	has_waiters = r == 0 && published && map_has_waiters(map);
	for (unsigned i = 0; i < count; i++) {
		struct map_change *change = &map->changes[i];

		if (!steps[change->step].have)
			continue;
		if (r)
			map_change_finish(map, change,
					  has_written_over(change) ? object_half_done(r) : r);
		else
			steps[change->step].have(map, change);
	}
	published = which_are_done(map, count, published);
	if (published && has_waiters)
		tell_waiters(map, count, published);
	return r;
}

static bool any_acts(const struct dso_map *map, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (steps[map->changes[i].step].ask)
			return true;
	return false;
}

/* Look for the keys of those that begin, or begin anew. Returns whether there are any. */
static bool look(struct dso_map *map, unsigned count)
{
	struct map_look *looks[MAP_MANY];
	unsigned looked = 0;

	for (unsigned i = 0; i < count; i++)
		if (map->changes[i].step == MAP_CHANGE_LOOK)
			looks[looked++] = map->changes[i].look;
	if (looked == 0)
		return false;
	map_look(map, looks, looked);
	for (unsigned i = 0; i < count; i++)
		map->changes[i].depth = map_segment_of(map, map->looks[i].key.hash)->depth;
	for (unsigned i = 0; i < count; i++)
		if (map->changes[i].step == MAP_CHANGE_LOOK)
			map_change_decide(map, &map->changes[i]);
	return true;
}

/* Write over the entry where it was seen, without a look. */
static bool may_be_blind(struct dso_map *map, struct map_change *change)
{
	struct map_look *look = change->look;

	return change->request.kind == MAP_PUT && map_recall(map, look) && look->block.state &&
	       !(look->segment.has_cells && map_fits_cell(look->key.length, change->entry_bytes));
}

static void prepare(struct dso_map *map, unsigned i)
{
	struct map_change *change = &map->changes[i];

	change->look = &map->looks[i];
	change->look->is_writer = true;
	change->look->met = change->look->witnessed = 0;
	change->look->wants_value = change->request.kind == MAP_MERGE;
	change->look->wants_sure = change->request.kind == MAP_PUT_IF_ABSENT;
	change->step = MAP_CHANGE_LOOK;
	change->block.bytes = 0;
	change->is_written = false;
	change->entry_value = change->request.value;
	change->entry_bytes = change->request.value_bytes;
	change->cell = 0;
	change->attempts = 0;
	memset(change->stale, 0, sizeof change->stale);
	change->is_blind = may_be_blind(map, change);
	if (change->is_blind)
		map_change_write_over(map, change);
}

int map_run(struct dso_map *map, unsigned count)
{
	int r = 0;

	for (unsigned i = 0; i < count; i++)
		prepare(map, i);
	map->change_count = count;
	while (look(map, count) || any_acts(map, count))
		while (any_acts(map, count))
			r = turn(map, count);
	map->change_count = 0;
	return r;
}
