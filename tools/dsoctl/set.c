/* SPDX-License-Identifier: Apache-2.0 */
/* Sets. A key is a word of the command line. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME (ctl->operands[0])
#define KEY  (ctl->operands[1])

/* Open an existing set: a misspelt one would be made, and be empty. */
static enum exit_status open_set(struct dsoctl *ctl, struct dso_set **ret_set)
{
	int r = dso_object_stat(ctl->session, NAME, NULL);

	if (r == -ENOENT)
		return fail_missing(ctl, "set", "dsoctl set add NAME KEY");
	if (r == 0)
		r = dso_set_open(ctl->session, NAME, NULL, ret_set);
	return r ? fail(ctl, r) : STATUS_DONE;
}

/* Apply @change to each key, and print how many of them changed the set. */
static enum exit_status change_keys(struct dsoctl *ctl, struct dso_set *set, const char *done,
				    int (*change)(struct dso_set *set, const void *key,
						  size_t key_bytes, int *ret_changed))
{
	uint64_t count = 0;
	int changed, r = 0;

	for (unsigned i = 1; r == 0 && i < ctl->operand_count; i++) {
		r = change(set, ctl->operands[i], strlen(ctl->operands[i]), &changed);
		count += r == 0 && changed;
	}
	dso_set_close(set);
	if (r)
		return fail(ctl, r);
	if (ctl->json)
		return print_json(
			json_pack("{s:o, s:I}", "name", json_text(NAME), done, (json_int_t)count));
	printf("%" PRIu64 "\n", count);
	return STATUS_DONE;
}

enum exit_status run_set_add(struct dsoctl *ctl)
{
	struct dso_set *set;
	int r = dso_set_open(ctl->session, NAME, NULL, &set);

	return r ? fail(ctl, r) : change_keys(ctl, set, "added", dso_set_add);
}

enum exit_status run_set_remove(struct dsoctl *ctl)
{
	struct dso_set *set;
	enum exit_status status = open_set(ctl, &set);

	return status ? status : change_keys(ctl, set, "removed", dso_set_remove);
}

enum exit_status run_set_contains(struct dsoctl *ctl)
{
	struct dso_set *set;
	int contains, r;
	enum exit_status status = open_set(ctl, &set);

	if (status)
		return status;
	r = dso_set_contains(set, KEY, strlen(KEY), &contains);
	return r ? fail(ctl, r) : print_contains(ctl, contains);
}

enum exit_status print_contains(const struct dsoctl *ctl, bool contains)
{
	enum exit_status status =
		print_done(ctl, json_pack("{s:o, s:o, s:b}", "name", json_text(NAME), "key",
					  json_text(KEY), "contains", (int)contains));

	if (contains || status)
		return status;
	return fail_because("%s has no key %s", NAME, KEY);
}

enum exit_status print_size(const struct dsoctl *ctl, uint64_t size)
{
	if (ctl->json)
		return print_json(
			json_pack("{s:o, s:I}", "name", json_text(NAME), "size", (json_int_t)size));
	printf("%" PRIu64 "\n", size);
	return STATUS_DONE;
}

enum exit_status run_set_size(struct dsoctl *ctl)
{
	struct dso_set *set;
	uint64_t size;
	enum exit_status status = open_set(ctl, &set);
	int r = status ? 0 : dso_set_size(set, &size);

	if (status)
		return status;
	return r ? fail(ctl, r) : print_size(ctl, size);
}

static enum exit_status print_key(const struct dsoctl *ctl, const struct dso_map_entry *entry)
{
	enum exit_status status;
	json_t *object;

	if (ctl->json) {
		object = json_pack("{s:o}", "name", json_text(NAME));
		json_set_text(object, "key", entry->key, entry->key_bytes);
		return print_json(object);
	}
	status = write_bytes(entry->key, entry->key_bytes);
	return status ? status : write_end(ctl);
}

static int print_each(const struct dso_map_entry *entry, void *context)
{
	return print_key(context, entry) == STATUS_DONE ? 0 : 1;
}

enum exit_status run_set_scan(struct dsoctl *ctl)
{
	struct dso_set *set;
	uint64_t cursor = 0;
	enum exit_status status = open_set(ctl, &set);
	int r;

	if (status)
		return status;
	do
		r = dso_set_scan(set, &cursor, print_each, ctl);
	while (r == 0 && cursor);
	return r < 0 ? fail(ctl, r) : r ? STATUS_FAILED : STATUS_DONE;
}

enum exit_status run_set_clear(struct dsoctl *ctl)
{
	struct dso_set *set;
	enum exit_status status = open_set(ctl, &set);
	int r = status ? 0 : dso_set_clear(set);

	if (status)
		return status;
	return r ? fail(ctl, r) : print_done(ctl, json_pack("{s:o}", "name", json_text(NAME)));
}

enum exit_status run_set_open(struct dsoctl *ctl)
{
	const struct dso_set_params params = {.ephemeral = ctl->ephemeral};
	struct dso_set *set;
	int r = dso_set_open(ctl->session, NAME, &params, &set);

	return r ? fail(ctl, r) : print_done(ctl, json_pack("{s:o}", "name", json_text(NAME)));
}
