/* SPDX-License-Identifier: Apache-2.0 */
/* Maps. A key is a word of the command line; a value is one, or the bytes of stdin. */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME (ctl->operands[0])
#define KEY  (ctl->operands[1])

/* Open an existing map: a misspelt one would be made, and be empty. */
static enum exit_status open_map(struct dsoctl *ctl, struct dso_map **ret_map)
{
	int r = dso_object_stat(ctl->session, NAME, NULL);

	if (r == -ENOENT)
		return fail_missing(ctl, "map", "dsoctl map put NAME KEY VALUE");
	if (r == 0)
		r = dso_map_open(ctl->session, NAME, NULL, ret_map);
	return r ? fail(ctl, r) : STATUS_DONE;
}

static enum exit_status fail_key(const struct dsoctl *ctl, int error)
{
	if (error == -ENOENT)
		return fail_because("map %s has no key %s", NAME, KEY);
	if (error == -EEXIST)
		return fail_because("map %s has the key %s: nothing was changed", NAME, KEY);
	return fail(ctl, error);
}

/* ---- values ---- */

struct value {
	const void *bytes;
	size_t length_bytes;
	uint8_t *input; /* what is to be freed; NULL: nothing */
};

/* The value that the operand @index is; where there is none, the bytes of stdin. */
static enum exit_status take_value(struct dsoctl *ctl, unsigned index, struct value *ret_value)
{
	size_t length;

	if (ctl->operand_count > index) {
		*ret_value = (struct value){.bytes = ctl->operands[index],
					    .length_bytes = strlen(ctl->operands[index])};
		return STATUS_DONE;
	}
	ret_value->input = read_input(DSO_MAP_VALUE_BYTES_MAX, &length);
	ret_value->bytes = ret_value->input;
	ret_value->length_bytes = length;
	return ret_value->input ? STATUS_DONE : STATUS_FAILED;
}

/* A version has 64 bits: as a number of JSON, programs would round it. */
static json_t *json_version(uint64_t version)
{
	return json_sprintf("%" PRIu64, version);
}

static enum exit_status print_version(const struct dsoctl *ctl, uint64_t version)
{
	if (!ctl->json)
		return STATUS_DONE;
	return print_json(json_pack("{s:o, s:o, s:o}", "name", json_text(NAME), "key",
				    json_text(KEY), "version", json_version(version)));
}

/* Write the value whose operand has the number @index by @write, into a map that is made where
 * there is none. */
static enum exit_status write_value(struct dsoctl *ctl, unsigned index,
				    int (*write)(struct dsoctl *ctl, struct dso_map *map,
						 const struct value *value, uint64_t *ret_version))
{
	struct value value = {0};
	struct dso_map *map;
	uint64_t version;
	enum exit_status status = take_value(ctl, index, &value);
	int r;

	if (status)
		return status;
	r = dso_map_open(ctl->session, NAME, NULL, &map);
	if (r == 0) {
		r = write(ctl, map, &value, &version);
		dso_map_close(map);
	}
	free(value.input);
	return r ? fail_key(ctl, r) : print_version(ctl, version);
}

static int put(struct dsoctl *ctl, struct dso_map *map, const struct value *value,
	       uint64_t *ret_version)
{
	return dso_map_put(map, KEY, strlen(KEY), value->bytes, value->length_bytes, ret_version);
}

enum exit_status run_map_put(struct dsoctl *ctl)
{
	return write_value(ctl, 2, put);
}

static int add(struct dsoctl *ctl, struct dso_map *map, const struct value *value,
	       uint64_t *ret_version)
{
	return dso_map_put_if_absent(map, KEY, strlen(KEY), value->bytes, value->length_bytes,
				     ret_version);
}

enum exit_status run_map_add(struct dsoctl *ctl)
{
	return write_value(ctl, 2, add);
}

/* ---- replace ---- */

static enum exit_status replace(struct dsoctl *ctl, struct dso_map *map, uint64_t expected,
				const struct value *value)
{
	uint64_t version;
	int r = dso_map_replace(map, KEY, strlen(KEY), expected, value->bytes, value->length_bytes,
				&version);

	if (r == -EAGAIN)
		return fail_because("key %s of map %s has the version %" PRIu64
				    ": nothing was changed",
				    KEY, NAME, version);
	return r ? fail_key(ctl, r) : print_version(ctl, version);
}

enum exit_status run_map_replace(struct dsoctl *ctl)
{
	struct value value = {0};
	struct dso_map *map;
	uint64_t expected;
	enum exit_status status;

	if (parse_number(ctl->operands[2], 0, UINT64_MAX, &expected))
		return wrong_usage(ctl, "%s is no version, which map get --json prints",
				   ctl->operands[2]);
	status = open_map(ctl, &map);
	if (status == STATUS_DONE)
		status = take_value(ctl, 3, &value);
	if (status == STATUS_DONE)
		status = replace(ctl, map, expected, &value);
	free(value.input);
	return status;
}

/* ---- merge ---- */

static const struct function {
	const char *name;
	enum dso_merge function;
	enum dso_element element; /* of the value; 0: it is bytes */
} functions[] = {
	{"sum", DSO_SUM_INT64, DSO_INT64},
	{"min", DSO_MIN_INT64, DSO_INT64},
	{"max", DSO_MAX_INT64, DSO_INT64},
	{"sum-double", DSO_SUM_DOUBLE, DSO_DOUBLE},
	{"min-double", DSO_MIN_DOUBLE, DSO_DOUBLE},
	{"max-double", DSO_MAX_DOUBLE, DSO_DOUBLE},
	{"append", DSO_APPEND, 0},
	{"first", DSO_FIRST, 0},
};

static const struct function *find_function(const char *name)
{
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (!strcmp(functions[i].name, name))
			return &functions[i];
	return NULL;
}

/* The number in @word, as 8 bytes at @to. */
static bool parse_element(const char *word, enum dso_element element, uint8_t to[static 8])
{
	int64_t integer;
	double real;
	char *end;

	if (element == DSO_INT64) {
		if (parse_int64(word, &integer))
			return false;
		memcpy(to, &integer, 8);
		return true;
	}
	errno = 0;
	real = strtod(word, &end);
	memcpy(to, &real, 8);
	return end != word && *end == '\0' && errno == 0;
}

static int merge(struct dsoctl *ctl, struct dso_map *map, const struct value *value,
		 uint64_t *ret_version)
{
	const struct function *function = find_function(ctl->operands[2]);
	uint8_t number[8];

	if (!function->element)
		return dso_map_merge(map, KEY, strlen(KEY), function->function, value->bytes,
				     value->length_bytes, ret_version);
	parse_element(ctl->operands[3], function->element, number);
	return dso_map_merge(map, KEY, strlen(KEY), function->function, number, sizeof number,
			     ret_version);
}

enum exit_status run_map_merge(struct dsoctl *ctl)
{
	const struct function *function = find_function(ctl->operands[2]);
	uint8_t number[8];

	if (!function)
		return wrong_usage(ctl,
				   "%s is no function: they are sum, min, max, sum-double, "
				   "min-double, max-double, append and first",
				   ctl->operands[2]);
	if (function->element && ctl->operand_count < 4)
		return wrong_usage(ctl, "%s needs a number", function->name);
	if (function->element && !parse_element(ctl->operands[3], function->element, number))
		return wrong_usage(ctl, "%s is no number that %s takes", ctl->operands[3],
				   function->name);
	return write_value(ctl, 3, merge);
}

/* ---- get ---- */

struct found {
	uint8_t *bytes; /* of DSO_MAP_VALUE_BYTES_MAX */
	size_t length_bytes;
	uint64_t version;
};

static bool is_element(const char *word)
{
	return !strcmp(word, "int64") || !strcmp(word, "double");
}

static enum exit_status print_number(const struct dsoctl *ctl, const struct found *found)
{
	bool is_real = !strcmp(ctl->operands[2], "double");
	int64_t integer;
	double real;

	if (found->length_bytes != 8)
		return fail_because("the value of key %s of map %s has %zu bytes, a number has 8",
				    KEY, NAME, found->length_bytes);
	memcpy(&integer, found->bytes, 8);
	memcpy(&real, found->bytes, 8);
	if (is_real)
		printf("%.17g\n", real);
	else
		printf("%" PRId64 "\n", integer);
	return STATUS_DONE;
}

static enum exit_status print_found(const struct dsoctl *ctl, const struct found *found)
{
	json_t *object;

	if (ctl->operand_count > 2 && is_element(ctl->operands[2]))
		return print_number(ctl, found);
	if (!ctl->json)
		return write_bytes(found->bytes, found->length_bytes);
	object = json_pack("{s:o, s:o, s:o}", "name", json_text(NAME), "key", json_text(KEY),
			   "version", json_version(found->version));
	json_set_bytes(object, found->bytes, found->length_bytes);
	return print_json(object);
}

/* Find the value by @find and print it. */
static enum exit_status find_value(struct dsoctl *ctl,
				   int (*find)(struct dsoctl *ctl, struct dso_map *map,
					       struct found *ret_found),
				   struct dso_map *map)
{
	struct found found = {.bytes = malloc(DSO_MAP_VALUE_BYTES_MAX)};
	enum exit_status status;
	int r;

	if (!found.bytes)
		return fail_because("out of memory for a value");
	r = find(ctl, map, &found);
	if (r == 0)
		status = print_found(ctl, &found);
	else
		status = r == -ENOENT ? fail_key(ctl, r) : fail_wait(ctl, r);
	free(found.bytes);
	return status;
}

static int get(struct dsoctl *ctl, struct dso_map *map, struct found *found)
{
	return dso_map_get(map, KEY, strlen(KEY), found->bytes, DSO_MAP_VALUE_BYTES_MAX,
			   &found->length_bytes, &found->version);
}

enum exit_status run_map_get(struct dsoctl *ctl)
{
	struct dso_map *map;
	enum exit_status status;

	if (ctl->operand_count > 2 && !is_element(ctl->operands[2]))
		return wrong_usage(ctl, "a number is an int64 or a double");
	if (ctl->operand_count > 2 && ctl->json)
		return wrong_usage(ctl, "a number or JSON, not both");
	status = open_map(ctl, &map);
	return status ? status : find_value(ctl, get, map);
}

static int wait_for(struct dsoctl *ctl, struct dso_map *map, struct found *found)
{
	uint64_t seen = 0;

	if (ctl->operand_count > 2)
		parse_number(ctl->operands[2], 0, UINT64_MAX, &seen);
	return dso_map_wait(map, KEY, strlen(KEY), seen, found->bytes, DSO_MAP_VALUE_BYTES_MAX,
			    time_left(ctl), &found->length_bytes, &found->version);
}

enum exit_status run_map_wait(struct dsoctl *ctl)
{
	struct dso_map *map;
	uint64_t seen;
	int r;

	if (ctl->operand_count > 2 && parse_number(ctl->operands[2], 0, UINT64_MAX, &seen))
		return wrong_usage(ctl, "%s is no version, which map get --json prints",
				   ctl->operands[2]);
	r = dso_map_open(ctl->session, NAME, NULL, &map);
	return r ? fail(ctl, r) : find_value(ctl, wait_for, map);
}

/* ---- the whole map ---- */

static enum exit_status print_entry(const struct dsoctl *ctl, const struct dso_map_entry *entry)
{
	enum exit_status status;
	json_t *object;

	if (ctl->json) {
		object = json_pack("{s:o, s:o}", "name", json_text(NAME), "version",
				   json_version(entry->version));
		json_set_text(object, "key", entry->key, entry->key_bytes);
		json_set_bytes(object, entry->value, entry->length_bytes);
		return print_json(object);
	}
	status = write_bytes(entry->key, entry->key_bytes);
	if (status == STATUS_DONE)
		status = write_bytes((const uint8_t *)"\t", 1);
	if (status == STATUS_DONE)
		status = write_bytes(entry->value, entry->length_bytes);
	return status ? status : write_end(ctl);
}

static int print_each(const struct dso_map_entry *entry, void *context)
{
	return print_entry(context, entry) == STATUS_DONE ? 0 : 1;
}

enum exit_status run_map_scan(struct dsoctl *ctl)
{
	struct dso_map *map;
	uint64_t cursor = 0;
	enum exit_status status = open_map(ctl, &map);
	int r;

	if (status)
		return status;
	do
		r = dso_map_scan(map, &cursor, print_each, ctl);
	while (r == 0 && cursor);
	return r < 0 ? fail(ctl, r) : r ? STATUS_FAILED : STATUS_DONE;
}

enum exit_status run_map_open(struct dsoctl *ctl)
{
	const struct dso_map_params params = {.ephemeral = ctl->ephemeral};
	struct dso_map *map;
	int r = dso_map_open(ctl->session, NAME, &params, &map);

	return r ? fail(ctl, r) : print_done(ctl, json_pack("{s:o}", "name", json_text(NAME)));
}

enum exit_status run_map_remove(struct dsoctl *ctl)
{
	struct dso_map *map;
	enum exit_status status = open_map(ctl, &map);
	int r = status ? 0 : dso_map_remove(map, KEY, strlen(KEY));

	if (status)
		return status;
	return r ? fail_key(ctl, r)
		 : print_done(ctl, json_pack("{s:o, s:o}", "name", json_text(NAME), "key",
					     json_text(KEY)));
}

enum exit_status run_map_contains(struct dsoctl *ctl)
{
	struct dso_map *map;
	int contains, r;
	enum exit_status status = open_map(ctl, &map);

	if (status)
		return status;
	r = dso_map_contains(map, KEY, strlen(KEY), &contains);
	return r ? fail(ctl, r) : print_contains(ctl, contains);
}

enum exit_status run_map_size(struct dsoctl *ctl)
{
	struct dso_map *map;
	uint64_t size;
	enum exit_status status = open_map(ctl, &map);
	int r = status ? 0 : dso_map_size(map, &size);

	if (status)
		return status;
	return r ? fail(ctl, r) : print_size(ctl, size);
}

enum exit_status run_map_clear(struct dsoctl *ctl)
{
	struct dso_map *map;
	enum exit_status status = open_map(ctl, &map);
	int r = status ? 0 : dso_map_clear(map);

	if (status)
		return status;
	return r ? fail(ctl, r) : print_done(ctl, json_pack("{s:o}", "name", json_text(NAME)));
}
