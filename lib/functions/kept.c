/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

/* ---- what lies in the map ---- */

#define SHORT_BYTES_MAX 960 /* of a result that is in its entry */
#define PIECE_BYTES     DSO_MAP_VALUE_BYTES_MAX

/* The value of the entry of a call; a short result follows. */
struct entry {
	struct kept_call call;
	le64_t bytes;  /* of the result */
	le64_t writer; /* whose the pieces are */
};
_Static_assert(sizeof(struct entry) == 32, "kept: entry");

/* The key of a piece. That of an entry is the number alone. */
struct piece {
	le64_t number;
	le64_t writer; /* drawn, so that two writers of a call do not mix theirs */
	le32_t index;
	le32_t reserved;
};
_Static_assert(sizeof(struct piece) == 24, "kept: piece");

static struct piece piece_of(uint64_t number, le64_t writer, size_t offset)
{
	return (struct piece){.number = le64_of(number),
			      .writer = writer,
			      .index = le32_of((uint32_t)(offset / PIECE_BYTES))};
}

static size_t piece_bytes(size_t bytes, size_t offset)
{
	return bytes - offset < PIECE_BYTES ? bytes - offset : PIECE_BYTES;
}

struct kept_call kept_call_of(const char *function, size_t name_bytes, const void *argument,
			      size_t argument_bytes)
{
	XXH64_hash_t name = XXH3_64bits(function, name_bytes);
	XXH128_canonical_t canonical;
	struct kept_call call;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(argument, argument_bytes, name));
	memcpy(call.hash, canonical.digest, sizeof call.hash);
	return call;
}

/* ---- opening ---- */

/* The last part of such a prefix is EXECUTOR.DRAWN. */
bool kept_name_of(const char *prefix, struct object_name *ret_name)
{
	const char *slash = strrchr(prefix, '/');
	size_t digits = slash ? strspn(slash + 1, "0123456789") : 0;

	if (digits == 0 || slash[1 + digits] != '.')
		return false;
	snprintf(ret_name->text, sizeof ret_name->text, "%.*s/results/%.*s", (int)(slash - prefix),
		 prefix, (int)digits, slash + 1);
	return true;
}

int kept_create(struct dso_session *session, const char *prefix, uint32_t ephemeral,
		struct kept *ret_kept)
{
	struct dso_map_params params = {.ephemeral = ephemeral};
	struct kept kept = {.session = session};
	struct object_name name;
	uint64_t size;
	int r;

	if (!kept_name_of(prefix, &name))
		return 0;
	r = dso_map_open(session, name.text, &params, &kept.map);
	if (r)
		return r;
	r = dso_map_size(kept.map, &size);
	kept.is_fresh = size == 0;
	if (r)
		dso_map_close(kept.map);
	else
		*ret_kept = kept;
	return r;
}

int kept_open(struct dso_session *session, const char *prefix, struct kept *ret_kept)
{
	struct kept kept = {.session = session};
	struct object_name name;
	int r;

	*ret_kept = kept;
	if (!kept_name_of(prefix, &name))
		return 0;
	r = dso_object_stat(session, name.text, NULL);
	if (r == 0)
		r = dso_map_open(session, name.text, NULL, &kept.map);
	if (r == 0)
		*ret_kept = kept;
	return r == -ENOENT ? 0 : r;
}

void kept_close(struct kept *kept)
{
	dso_map_close(kept->map);
	kept->map = NULL;
}

/* ---- reading ---- */

struct whole_entry {
	struct entry entry;
	uint8_t result[SHORT_BYTES_MAX];
};

/* What another process wrote is checked. */
static int read_entry(struct kept *kept, uint64_t number, struct whole_entry *ret_whole)
{
	le64_t key = le64_of(number);
	uint64_t bytes;
	size_t length;
	int r = dso_map_get(kept->map, &key, sizeof key, ret_whole, sizeof *ret_whole, &length,
			    NULL);

	if (r)
		return r == -EMSGSIZE ? -EBADMSG : r;
	if (length < sizeof ret_whole->entry)
		return -EBADMSG;
	bytes = le64_get(ret_whole->entry.bytes);
	return bytes > DSO_ARGUMENT_BYTES_MAX ||
			       length != sizeof ret_whole->entry +
						 (bytes > SHORT_BYTES_MAX ? 0 : bytes)
		       ? -EBADMSG
		       : 0;
}

int kept_find(struct kept *kept, uint64_t number, const struct kept_call *call, size_t *ret_bytes)
{
	struct whole_entry whole;
	int r = read_entry(kept, number, &whole);

	if (r)
		return r;
	if (memcmp(&whole.entry.call, call, sizeof *call) != 0)
		return -EEXIST;
	*ret_bytes = le64_get(whole.entry.bytes);
	return 0;
}

static int get_pieces(struct kept *kept, uint64_t number, le64_t writer, uint8_t *value,
		      size_t bytes)
{
	int r = 0;

	for (size_t offset = 0; offset < bytes && r == 0; offset += PIECE_BYTES) {
		struct piece key = piece_of(number, writer, offset);
		size_t expected = piece_bytes(bytes, offset), length;

		r = dso_map_get(kept->map, &key, sizeof key, value + offset, expected, &length,
				NULL);
		if (r == -EMSGSIZE || (r == 0 && length != expected))
			r = -EBADMSG;
	}
	return r;
}

int kept_get(struct kept *kept, uint64_t number, void *value, size_t bytes)
{
	struct whole_entry whole;
	int r = read_entry(kept, number, &whole);

	if (r || le64_get(whole.entry.bytes) != bytes)
		return r ? r : -EBADMSG;
	if (bytes > SHORT_BYTES_MAX)
		return get_pieces(kept, number, whole.entry.writer, value, bytes);
	memcpy(value, whole.result, bytes);
	return 0;
}

/* ---- writing ---- */

static int put_pieces(struct kept *kept, uint64_t number, le64_t writer, const uint8_t *value,
		      size_t bytes)
{
	int r = 0;

	for (size_t offset = 0; offset < bytes && r == 0; offset += PIECE_BYTES) {
		struct piece key = piece_of(number, writer, offset);

		r = dso_map_put(kept->map, &key, sizeof key, value + offset,
				piece_bytes(bytes, offset), NULL);
	}
	return r;
}

static void remove_pieces(struct kept *kept, uint64_t number, le64_t writer, size_t bytes)
{
	for (size_t offset = 0; offset < bytes; offset += PIECE_BYTES) {
		struct piece key = piece_of(number, writer, offset);

		dso_map_remove(kept->map, &key, sizeof key);
	}
}

/* Take the result that is kept instead of the one that is there. */
static int replace(struct kept *kept, uint64_t number, const struct kept_call *call, void **value,
		   size_t *bytes)
{
	void *other = NULL;
	size_t length;
	int r = kept_find(kept, number, call, &length);

	if (r == 0 && length) {
		other = malloc(length);
		r = other ? kept_get(kept, number, other, length) : -ENOMEM;
	}
	if (r) {
		free(other);
		return r;
	}
	free(*value);
	*value = other;
	*bytes = length;
	return 0;
}

static int put_entry(struct kept *kept, uint64_t number, const struct whole_entry *whole)
{
	uint64_t bytes = le64_get(whole->entry.bytes);
	le64_t key = le64_of(number);

	return dso_map_put_if_absent(kept->map, &key, sizeof key, whole,
				     sizeof whole->entry + (bytes > SHORT_BYTES_MAX ? 0 : bytes),
				     NULL);
}

int kept_put(struct kept *kept, uint64_t number, const struct kept_call *call, void **value,
	     size_t *bytes)
{
	struct whole_entry whole = {.entry = {.call = *call, .bytes = le64_of(*bytes)}};
	bool is_long = *bytes > SHORT_BYTES_MAX;
	uint64_t drawn = 0;
	int r = 0;

	if (is_long && getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
		return -errno;
	whole.entry.writer = le64_of(drawn);
	if (is_long)
		r = put_pieces(kept, number, whole.entry.writer, *value, *bytes);
	else if (*bytes)
		memcpy(whole.result, *value, *bytes);
	if (r == 0)
		r = put_entry(kept, number, &whole);
	if (r && is_long)
		remove_pieces(kept, number, whole.entry.writer, *bytes);
	return r == -EEXIST ? replace(kept, number, call, value, bytes) : r;
}
