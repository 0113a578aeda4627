/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map (proto/map.h): an index of buckets, after P. Zuo et al., "One-sided RDMA-Conscious
 * Extendible Hashing for Disaggregated Memory" (RACE), USENIX ATC'21, made free of locks. Nobody
 * waits for a session that is frozen or dead. Entries are written out of place and published by a
 * CAS of their slot.
 *
 * A key has two buckets in one segment, and is in at most one slot of them that is there, but for a
 * copy while it moves.
 *
 * Get: READ both buckets and, behind them, the word of the segment. A small entry is in its bucket;
 * any other costs a READ of its block. An entry counts if its version is that of the slot, its
 * checksum holds, and its key is the one. If not, it was torn or used again: begin anew, unless it
 * is so twice and an atomic load finds the slot as it was, then it is damaged. A key that is not
 * found is absent, if the word says that the segment was not split when the buckets had been read.
 *
 * Write over: [claim a block, WRITE the entry, CAS of the slot from the old entry to the new one].
 * Remove: CAS of the slot to an empty value. Who succeeded frees what the slot referred to.
 *
 * Recall: a client remembers the slots of entries in blocks that it has seen. Get: [READ the block,
 * READ the slot that referred to it]. Where the slot is as it was and the block has its entry, that
 * was there when the slot was read: a block in use does not change, and its state is another one as
 * soon as it is not. Where the slot refers to another block now, READ that.
 * A put writes over at once, without a look before. Its batch READs the state of the old block
 * behind the CAS of the slot. Where the CAS succeeded and the state is the one that was seen with
 * the entry, it was this entry. Where the block has another entry by now, whose version has the
 * same 17 bits, its head tells: of the same key, it is what was written over. Of another key: CAS
 * of the slot back to it, and look. It takes another client that has removed the entry since, and
 * has put one with the same slot, fingerprint, block and 17 bits of chance.
 *
 * A put that finds an entry of the key which another client has put since this one has seen the
 * key's entry before is over, and has not changed anything: it came right before the other one,
 * which wrote over what it put. So of many clients that put one key each ends, however many were
 * quicker. An entry that a merge or a replace has made depends on what was before it; its version
 * tells. Where that may be, a look reads all of a short entry, whose checksum tells that it was not
 * torn, and loads the state of a long one's block behind its READ, which has to be the same. It
 * loads how many wait, too: the other client, frozen maybe, may not have woken them.
 *
 * Insert: [claim, WRITE, CAS of an empty slot to provisional, READ both buckets and the segment's
 * word], and then [CAS provisional to there]. In between, it looks:
 *   - a slot that has changed since the look before, or changes, is loaded by an atomic, since a
 *     READ may tear it;
 *   - where another entry of that fingerprint has come: undo, and look again;
 *   - another provisional slot of that fingerprint is set to empty, and its owner begins anew;
 *   - where the word of the segment is another: undo, help, begin anew.
 * Of two insertions of a key, one makes its slot provisional before the other reads, so the other
 * finds it: provisional, and empties it, or there. So at most one of them is ever there.
 *
 * Cells have a word each, since a batch goes on when a CAS in it fails: a client WRITEs a cell only
 * after the answer that it has claimed it, and nobody else does before its lease is over. It is
 * claimed in the batch that makes the slot provisional, and written in the one that publishes.
 *
 * Split: of a segment of depth d, by bit d of the hashes.
 *   1. Make a new segment, FRESH. CAS of the old one's word to SPLITTING, with its reference. One
 *      client wins. Every client that wants to write then helps, from here on to the end.
 *   2. Slots with bit d: there -> leaving. Provisional ones become empty: their owners begin anew.
 *   3. [CAS of the same slot of the new segment, 0 -> arriving; CAS of the old slot, leaving ->
 *      empty; CAS of the new slot, arriving -> there]. Entries of blocks keep their block. Those of
 *      cells are written into a cell or block of the helper's own before. When nothing leaves any
 *      more, each helper sets what still arrives to there: another one may have ended in between.
 *   4. [CAS of the sibling's word in the old segment; CAS of the old segment's word, SPLITTING ->
 *      STABLE in depth d + 1; CAS of the new one's, FRESH -> STABLE]. Clients learn of the new
 *      segment when the old one's word has changed. A writer that finds the new one FRESH then does
 *      the last CAS first.
 * Readers that do not find a key in a segment that is splitting look in the new one then; the copy
 * is made before the original goes. Nobody writes to what leaves or arrives.
 *
 * Segments are never freed and remember their siblings: so there is a way from the root to each,
 * and what a client knows of it may be old, but not wrong.
 *
 * Death, at each step:
 *   - between claim and CAS of a slot: the block comes back by the recovery of the space. A claimed
 *     cell is free for others, when the lease is over and no slot refers to it.
 *   - between provisional and there: the slot stays provisional. Readers pass it by; writers that
 *     need the slot, or insert the same fingerprint, empty it.
 *   - after the CAS that publishes or removes: it has happened. Recovery frees the old block.
 *   - in a split: the next writer helps it to the end. What a helper has made for itself comes back
 *     by recovery, unless its CAS has put it in place.
 *
 * Freeze, for as long as one likes: when a client wakes its CAS operations expect values that do
 * not come back. Empty values are numbers drawn by chance of 61 bits. A slot that refers to a block
 * has 17 bits of the entry's version, drawn anew for each write. Step 3 expects 0 in a slot of the
 * new segment: it is 0 only as long as the entry has not been copied, and then never again. So an
 * entry arrives there once, and what leaves a segment does not come back to it. Words of segments
 * have each value once. WRITEs go to blocks and cells that are the client's own until it is fenced;
 * nothing of it lands then.
 *
 * Races:
 *   - insert and split: the insertion has read the word of the segment after its slot was
 *     provisional. If that was STABLE the split began later, and finds the slot; it sets it to
 *     empty, or finds it there and moves it. If not, the insertion undoes itself.
 *   - write over or remove, and split: both are a CAS from the exact slot, and one of them fails.
 *   - remove and insert anew: the slot's empty value is another; a writer with the old slot fails.
 *   - a reader that sleeps through a split: what it read of its block was either whole at that
 *     time, or does not pass the checks. If it found nothing, the segment's word, which it read
 *     last, says whether what it read was the place for the key.
 *
 * Wait: a client that waits for a key counts itself among the waiters of the event, looks, and
 * waits for the next count of the event. A batch that publishes loads, behind its CAS operations,
 * how many wait; if any, its client raises the event and wakes all, who look again. So either the
 * waiter finds the entry, or the writer finds the waiter. A writer that ends in between has a place
 * among the members: the sweep that takes it away raises the event, and wakes all.
 *
 * Scan: segments in the order of their bits from the lowest on, as SCAN of Redis does it. A split
 * divides what comes later, or what is behind the cursor. An entry keeps its slot's number when it
 * moves, so that one which has gone while its segment is read is found in a sibling.
 */
#ifndef LIB_OBJECTS_MAP_H
#define LIB_OBJECTS_MAP_H

#include "lib/objects/space.h"
#include "proto/map.h"

#include <dso/dso.h>

#define MAP_MANY       32   /* keys that go in one batch */
#define MAP_LATER_MAX  64   /* cells to be freed with the next batch */
#define MAP_OPS_MAX    1024 /* of a batch */
#define MAP_GUESS_MIN  512  /* bytes of a block that are read at first */
#define MAP_GUESS_MAX  8192
#define MAP_STAGE_MAX  2048 /* bytes of a value that go in one WRITE with the key */
#define MAP_ROOM_BYTES ((size_t)1104 * 1024)
/* Places of entries that a handle remembers. */
#define MAP_RECALL_MAX  32768
#define MAP_RECALL_WAYS 4
_Static_assert(MAP_ROOM_BYTES >= MAP_ENTRY_BYTES_LONGEST + 8, "any entry has room");
_Static_assert(MAP_ROOM_BYTES / MAP_MANY >= MAP_GUESS_MAX, "and a guess of each of many");

/* A segment as this client knows it. */
struct map_segment {
	uint64_t offset; /* in the region */
	uint64_t reference;
	uint32_t suffix;
	uint8_t depth;
	bool has_cells;
};

/* The segments that this client knows, and which one has hashes that end with the index. */
struct map_known {
	unsigned depth;
	uint32_t count, max;
	uint32_t *directory; /* indices into segments */
	struct map_segment segments[];
};

/* Where an entry was that lies in a block. */
struct map_recall {
	uint64_t hash_place; /* of the key; instead of its low 4 bits, the bucket and the slot */
	uint64_t slot;       /* as it was; 0: no place */
	uint64_t state;      /* of the block; 0: not known */
};

struct map_look;
struct map_change;

struct dso_map {
	struct object object;
	struct space space;
	uint64_t seed;
	uint64_t number;
	size_t guess_bytes;
	/* frees of cells that go with the next batch */
	struct op later[MAP_LATER_MAX];
	unsigned later_count;
	unsigned put_off;    /* looks since there are any */
	uint64_t waiters;    /* how many there were when something was published */
	unsigned waiters_op; /* the operation that says so */
	uint64_t suspect;    /* the word of a claimed cell whose lease was not over */
	struct map_known *known;
	/* below are in the memory of the handle */
	struct op *ops; /* MAP_OPS_MAX */
	unsigned op_count;
	unsigned prepared;          /* where the space's begin */
	struct map_look *looks;     /* MAP_MANY */
	struct map_change *changes; /* MAP_MANY */
	unsigned change_count;      /* of those that are under way */
	uint8_t *room;              /* MAP_ROOM_BYTES: what is read */
	uint8_t *merged;            /* MAP_ROOM_BYTES: values that are made */
	struct map_recall *recalls; /* MAP_RECALL_MAX */
};

/* ---- keys ---- */

struct map_key {
	const void *bytes;
	size_t length;
	uint64_t hash; /* its low bits say the segment */
	uint8_t fingerprint;
	uint8_t bucket[2];
};

struct map_key map_key(const struct dso_map *map, const void *bytes, size_t length);

/* A number that no other call gives. */
uint64_t map_number(struct dso_map *map);

/* ---- segments (map_segments.c) ---- */

/* The root, and the memory for more. Returns 0 or -ENOMEM. */
int map_know_root(struct dso_map *map);
/* The segment for @hash, as far as this client knows; valid until the next map_learn. */
static inline struct map_segment *map_segment_of(const struct dso_map *map, uint64_t hash)
{
	const struct map_known *known = map->known;
	uint64_t mask = (UINT64_C(1) << known->depth) - 1;

	return (struct map_segment *)&known->segments[known->directory[hash & mask]];
}
/* The segment for @hash was split: learn its siblings. Returns 0, -EBADMSG, -ENOMEM, or as any
 * operation. */
int map_learn(struct dso_map *map, uint64_t hash);
int map_load(struct dso_map *map, uint64_t offset, uint64_t *ret_value);

static inline uint64_t map_bucket_offset(const struct map_segment *segment, unsigned bucket)
{
	return segment->offset + sizeof(struct map_segment_header) +
	       (uint64_t)bucket * MAP_BUCKET_BYTES(segment->has_cells);
}

static inline uint64_t map_slot_offset(const struct map_segment *segment, unsigned bucket,
				       unsigned index)
{
	return map_bucket_offset(segment, bucket) + 8 * (uint64_t)index;
}

static inline uint64_t map_cell_offset(const struct map_segment *segment, unsigned bucket,
				       unsigned cell)
{
	return map_bucket_offset(segment, bucket) + 8 * MAP_SLOTS +
	       (uint64_t)cell * sizeof(struct map_cell);
}

/* The segment that a splitting one's @word names. */
int map_sibling(struct dso_map *map, const struct map_segment *segment, uint64_t word,
		struct map_segment *ret_sibling);

/* ---- batches ---- */

static inline struct op *map_op(struct dso_map *map, struct op op)
{
	map->ops[map->op_count] = op;
	return &map->ops[map->op_count++];
}

static inline struct op map_read_op(uint64_t offset, void *buffer, size_t bytes)
{
	return (struct op){.opcode = DATA_READ,
			   .length_bytes = (uint32_t)bytes,
			   .offset = offset,
			   .buffer = buffer};
}

static inline struct op map_write_op(uint64_t offset, const void *buffer, size_t bytes)
{
	return (struct op){.opcode = DATA_WRITE,
			   .length_bytes = (uint32_t)bytes,
			   .offset = offset,
			   .buffer = (void *)(uintptr_t)buffer};
}

static inline struct op map_cas_op(uint64_t offset, uint64_t expected, uint64_t value)
{
	return (struct op){.opcode = DATA_CAS,
			   .length_bytes = 8,
			   .offset = offset,
			   .operand = expected,
			   .swap = value};
}

/* WRITE or READ in parts of what a transport takes. */
void map_ops_long(struct dso_map *map, uint8_t opcode, uint64_t offset, const void *buffer,
		  size_t bytes);
/* Begin a batch: what the space has for it with these blocks, and the frees of cells. NULL: it is a
 * look, which may leave those to others. */
void map_begin(struct dso_map *map, const struct space_change *change);
/* The same, behind the operations that the batch has already. */
void map_prepare(struct dso_map *map, const struct space_change *change);
/* Execute the batch. */
int map_execute(struct dso_map *map);
/* Free the cell with the next batch, if its word is still @word. */
void map_free_cell(struct dso_map *map, uint64_t offset, uint64_t word);
/* Send what waits for the next batch. */
int map_flush(struct dso_map *map);

/* A pause after the @attempts-th time that another session was quicker. */
void map_back_off(struct dso_map *map, unsigned attempts);

/* ---- entries (map_entry.c) ---- */

/* What is in an entry. The pointers are into what was read. */
struct map_content {
	const uint8_t *key, *value;
	size_t key_bytes, value_bytes;
	uint64_t version;
	uint64_t state; /* of the block; 0: it is in a cell */
};

/* The entry in a cell, for a slot. Returns false where it is none that belongs to it. */
bool map_cell_content(const struct map_cell *cell, uint64_t slot, struct map_content *ret);
void map_cell_fill(struct map_cell *cell, uint64_t version, const void *key, size_t key_bytes,
		   const void *value, size_t value_bytes);

static inline bool map_fits_cell(size_t key_bytes, size_t value_bytes)
{
	return key_bytes + value_bytes <= MAP_CELL_DATA_BYTES;
}

/* The entry of which @bytes were read, for a slot: its lengths make sense, and its version is the
 * slot's. Its checksum is not looked at. */
bool map_entry_content(const uint8_t *block, size_t bytes, uint64_t slot, struct map_content *ret);
static inline size_t map_content_bytes(const struct map_content *content)
{
	return sizeof(struct map_entry) + content->key_bytes + content->value_bytes;
}
/* Whether the checksum of the whole entry holds. */
bool map_entry_is_whole(const uint8_t *block, const struct map_content *content);
/* Fill in the header for a block of @state, behind which the key lies. */
void map_entry_fill(struct map_entry *entry, uint64_t state, uint64_t version, size_t key_bytes,
		    const void *value, size_t value_bytes);

/* ---- looking (map_look.c) ---- */

enum map_look_state {
	MAP_LOOK_RECALL,  /* the slot where the entry was, and the block that it was in */
	MAP_LOOK_READ,    /* both buckets */
	MAP_LOOK_EXAMINE, /* the next candidate; no operation */
	MAP_LOOK_FETCH,   /* the block of a candidate */
	MAP_LOOK_REST,    /* of a block that is longer than the guess */
	MAP_LOOK_CONFIRM, /* that a slot is still the one whose entry has another key */
	MAP_LOOK_AFFIRM,  /* that a slot is still the one whose entry has the key */
	MAP_LOOK_VERIFY,  /* that the slot of an entry that is damaged is still the same */
	/* verdicts */
	MAP_LOOK_FOUND,
	MAP_LOOK_ABSENT,
	MAP_LOOK_SPLIT, /* a writer has to help first */
	MAP_LOOK_LONG,  /* of many: the entry is longer than the room for each; look for it alone */
	MAP_LOOK_FAILED,
};

/* A look for one key. The first members are the caller's. */
struct map_look {
	struct map_key key;
	bool wants_value;
	bool is_writer;  /* it will write: a split comes first */
	bool wants_sure; /* FOUND: the entry was in its slot, also where its value is not wanted */
	enum map_look_state state;
	/* where it was looked for */
	struct map_segment segment;
	uint64_t word;
	uint8_t image[2][8 * MAP_SLOTS + MAP_CELLS * sizeof(struct map_cell)];
	/* FOUND: where, and what. content.value where it was wanted, or lies in a cell */
	unsigned side, index;
	uint64_t slot;
	struct map_content content;
	struct space_name block; /* reference 0: it is in a cell, whose word is */
	uint64_t cell_word;
	bool is_recalled; /* found by map_recall: word and image were not read */
	/* FAILED */
	int error;
	/* Of the call that looks: what a CAS of it has met in the slot of map_recall, and the first
	 * slot that it has seen the key's entry in; 0: none. */
	uint64_t met, witnessed;
	/* Where one of them is known: the block that was read stayed what it was, and clients wait
	 * for changes of the map. */
	bool is_stable, has_waiters;
	/* the look's own */
	bool in_sibling;
	uint64_t slot_now;   /* of RECALL */
	uint32_t candidates; /* a bit for each slot that is to be examined */
	uint64_t damaged_offset, damaged_slot;
	uint8_t *room;
	size_t room_bytes, have_bytes;
	unsigned op, state_op, turns;
	int64_t deadline_ns;
};

static inline uint64_t map_slot_at(const uint8_t *bucket, unsigned index)
{
	le64_t slot;

	memcpy(&slot, bucket + 8 * (size_t)index, sizeof slot);
	return le64_get(slot);
}

static inline uint64_t map_image_slot(const struct map_look *look, unsigned side, unsigned index)
{
	return map_slot_at(look->image[side], index);
}

static inline const struct map_cell *map_image_cell(const struct map_look *look, unsigned side,
						    unsigned cell)
{
	return (const struct map_cell *)(look->image[side] + 8 * MAP_SLOTS) + cell;
}

/* ---- places that are remembered (map_recall.c) ---- */

/* Fill in where the entry of the look's key was: is_recalled, segment, side, index, slot, and
 * block, whose state may be 0. Returns whether that is remembered. */
bool map_recall(struct dso_map *map, struct map_look *look);
/* The slot refers to an entry of @key in a block of @state; 0: the state is not known. */
void map_remember(struct dso_map *map, const struct map_key *key, unsigned side, unsigned index,
		  uint64_t slot, uint64_t state);
void map_forget(struct dso_map *map, const struct map_key *key);

/* Look for @count keys at once, until each look has a verdict. */
void map_look(struct dso_map *map, struct map_look **looks, unsigned count);
/* FOUND: whether another client has put the key since this call has seen its entry for the first
 * time. look->has_waiters tells then whether to wake those who wait for it: the other client may
 * not come to it. */
bool map_look_is_put_since(struct map_look *look);

/* A free cell in the bucket, from 1 on, for the owner of @lease; 0: there is none (map_cells.c). */
unsigned map_find_cell(struct dso_map *map, const struct map_look *look, unsigned side,
		       uint32_t lease);

/* ---- changing (map_change.c) ---- */

enum map_change_kind { MAP_PUT, MAP_PUT_IF_ABSENT, MAP_REPLACE, MAP_REMOVE, MAP_MERGE };

/* What is to be done to an entry. */
struct map_change_request {
	enum map_change_kind kind;
	const void *value;
	size_t value_bytes;
	uint64_t expected;    /* REPLACE: the version */
	enum dso_merge merge; /* MERGE: the function */
};

struct map_change {
	struct map_change_request request;
	/* the outcome */
	int result;
	uint64_t version; /* of the entry that is there now */

	/* its own, see map_change.c */
	struct map_look *look;
	enum {
		MAP_CHANGE_LOOK,
		MAP_CHANGE_CLAIM,   /* a cell, to write over an entry */
		MAP_CHANGE_SWAP,    /* the slot, from one entry to another one or to empty */
		MAP_CHANGE_INSPECT, /* was it of the key, what was written over without a look? */
		MAP_CHANGE_INSERT,  /* an empty slot -> provisional, and look again */
		MAP_CHANGE_SETTLE,  /* load slots that have changed, empty provisional ones */
		MAP_CHANGE_PUBLISH, /* provisional -> there */
		MAP_CHANGE_UNDO,    /* provisional -> empty */
		MAP_CHANGE_RESTORE, /* the slot, to the entry of another key */
		MAP_CHANGE_CLEAR,   /* provisional slots of others that are in the way -> empty */
		MAP_CHANGE_DONE,
	} step;
	const void *entry_value; /* the value to write, and its length */
	size_t entry_bytes;
	uint64_t entry_version;
	uint8_t number[8];               /* of a merge */
	struct space_block block;        /* bytes 0: none was taken */
	bool is_written;                 /* the block has the entry */
	unsigned cell;                   /* that the entry goes to, from 1 on; 0: to the block */
	uint64_t cell_before, cell_word; /* before it is claimed, and claimed */
	bool is_robbed;                  /* another client has claimed the cell */
	bool is_blind;                   /* a put over an entry that was not looked for */
	uint8_t depth;                   /* of the key's segment when it was looked for */
	unsigned side, index;            /* the slot */
	uint64_t before, slot;           /* its values */
	uint8_t image[2][8 * MAP_SLOTS]; /* as seen by INSERT */
	uint64_t word;
	/* SETTLE: a bit for each slot that it is about, and what it was */
	uint32_t unsettled;
	uint64_t seen[2 * MAP_SLOTS];
	uint64_t stale[2 * MAP_SLOTS]; /* provisional slots that were in the way before */
	uint64_t old_state;
	uint8_t old[sizeof(struct map_entry) + MAP_KEY_BYTES_MAX]; /* head of what it writes over */
	size_t old_bytes;
	unsigned op, attempts;
	int64_t deadline_ns;
	struct map_cell staged_cell;
	uint8_t stage[sizeof(struct map_entry) + MAP_KEY_BYTES_MAX + MAP_STAGE_MAX];
};

static inline uint64_t map_change_cell(const struct map_change *change, unsigned side,
				       unsigned cell)
{
	return map_cell_offset(&change->look->segment, change->look->key.bucket[side], cell - 1);
}

/* A cell or a block for the entry, and the slot that refers to it (map_write.c). Returns 0 or as
 * space_take. */
int map_find_place_for(struct dso_map *map, struct map_change *change, enum map_slot_state state);
/* WRITE the entry there, where a block does not have it yet. */
void map_write_entry(struct dso_map *map, struct map_change *change);
void map_write_block(struct dso_map *map, struct map_change *change);
void map_write_cell(struct dso_map *map, struct map_change *change);

/* Run @count changes (of map->changes, whose looks are map->looks) of different keys. Each has its
 * result. Returns 0, or the error of the session, which all have then that are not done. */
int map_run(struct dso_map *map, unsigned count);

/* The blocks that changes under way have claimed and not published, into @blocks of MAP_MANY: every
 * batch that names blocks to the space has to name them, or they are lost where the session ends
 * behind it. Returns how many. */
unsigned map_claimed_blocks(struct dso_map *map, struct space_block **blocks);

/* Make the value of a merge out of the one that is there: entry_value and entry_bytes. Returns 0,
 * MAP_MERGE_KEEPS (it is the one that is there), -EINVAL or -EMSGSIZE. */
#define MAP_MERGE_KEEPS 1
int map_merge(struct dso_map *map, struct map_change *change, const void *there,
	      size_t there_bytes);
bool map_merge_is_number(enum dso_merge function);

/* ---- waiting (map_wait.c) ---- */

/* Load, in the batch that publishes, how many wait. */
void map_ask_for_waiters(struct dso_map *map);
/* Whether any do, after that batch. */
bool map_has_waiters(const struct dso_map *map);
/* What was published is there: wake those who wait, if there are any. Returns 0 or as
 * futex_wake. */
int map_wake(struct dso_map *map);

/* ---- splitting (map_split.c) ---- */

/* Split the segment for @hash, or help to. Returns 0 when it is not as it was, or an errno. */
int map_split(struct dso_map *map, uint64_t hash);
int map_is_referenced(struct space *space, const struct space_name *block);

/* ---- the handle (map.c) ---- */

int map_open(struct dso_session *session, const char *name, struct open_request *request,
	     struct dso_map **ret_map);
void map_close(struct dso_map *map);
int map_fail(struct dso_map *map, const char *verb, int error);
/* One change of a key. */
int map_change(struct dso_map *map, const char *verb, const struct map_change_request *request,
	       const void *key, size_t key_bytes, uint64_t *ret_version);
/* Look for the key, by map->looks[0]. Returns 0, -ENOENT, or an errno. */
int map_look_for(struct dso_map *map, const void *key, size_t key_bytes, bool wants_value);
/* Refuse a key that is too long. */
int map_check_key(struct dso_map *map, const char *verb, size_t key_bytes);
/* What map_look_for has found, for the caller. */
int map_give(struct dso_map *map, const char *verb, void *buffer, size_t buffer_bytes,
	     size_t *ret_length, uint64_t *ret_version);
int map_contains(struct dso_map *map, const char *verb, const void *key, size_t key_bytes,
		 int *ret_contains);
int map_size(struct dso_map *map, const char *verb, uint64_t *ret_size);
int map_clear(struct dso_map *map, const char *verb);
int map_scan(struct dso_map *map, const char *verb, uint64_t *cursor,
	     int (*each)(const struct dso_map_entry *entry, void *context), void *context);

#endif
