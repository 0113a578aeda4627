/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct removal {
	struct dsoctl *ctl;
	struct holds holds; /* nobody's with --force */
	json_t *deleted;
	char **names; /* the names that begin with --prefix; each to be freed */
	size_t count, room;
	enum exit_status status;
};

/* ---- what begins with the prefix ---- */

static int collect(const struct dso_stat *stat, void *context)
{
	struct removal *removal = context;

	if (!has_prefix(removal->ctl, stat->name))
		return 0;
	if (removal->count == removal->room) {
		size_t room = removal->room ? 2 * removal->room : 64;
		char **names = reallocarray(removal->names, room, sizeof *names);

		if (!names)
			return -ENOMEM;
		removal->names = names;
		removal->room = room;
	}
	removal->names[removal->count] = strdup(stat->name);
	return removal->names[removal->count] ? (removal->count++, 0) : -ENOMEM;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* ---- deleting ---- */

/* A register in the middle of a write is whole again in a moment. */
static const struct dso_hold *find_hold(const struct holds *holds, const char *name)
{
	const struct dso_hold *hold = holds_next(holds, name, NULL);

	while (hold && hold->type == DSO_REGISTER)
		hold = holds_next(holds, name, hold);
	return hold;
}

static void delete_one(struct removal *removal, const char *name)
{
	const struct dso_hold *hold = find_hold(&removal->holds, name);
	char why[HOLD_TEXT_BYTES];
	int r;

	if (hold) {
		removal->status =
			fail_because("%s %s is not deleted: %s; --force deletes it",
				     dso_type_name(hold->type), name, hold_text(hold, why));
		return;
	}
	r = dso_object_delete(removal->ctl->session, name);
	if (r)
		removal->status = fail(removal->ctl, r);
	else
		json_array_append_new(removal->deleted, json_text(name));
}

/* Whether a session holds one of the objects that begin with the prefix. */
static bool any_is_held(const struct removal *removal)
{
	for (size_t i = 0; i < removal->holds.count; i++)
		if (has_prefix(removal->ctl, removal->holds.entries[i].name))
			return true;
	return false;
}

/* storaged does all of it, where no object has to be told apart from the others, or named. */
static void delete_at_once(struct removal *removal)
{
	int r = dso_delete_prefix(removal->ctl->session, removal->ctl->prefix, NULL);

	if (r)
		removal->status = fail(removal->ctl, r);
}

static void delete_prefix(struct removal *removal)
{
	int r = dso_list(removal->ctl->session, collect, removal);

	if (r == -ENOMEM)
		removal->status = fail_because("out of memory for the list");
	else if (r)
		removal->status = fail(removal->ctl, r);
	if (removal->count)
		qsort(removal->names, removal->count, sizeof *removal->names, by_name);
	for (size_t i = 0; i < removal->count; i++) {
		if (r == 0)
			delete_one(removal, removal->names[i]);
		free(removal->names[i]);
	}
	free(removal->names);
}

static enum exit_status check_arguments(const struct dsoctl *ctl)
{
	if (!ctl->prefix && ctl->operand_count == 0)
		return wrong_usage(ctl, "an argument is missing");
	if (ctl->prefix && ctl->operand_count)
		return wrong_usage(ctl, "names or --prefix, not both");
	if (ctl->prefix && !*ctl->prefix)
		return wrong_usage(ctl, "--prefix is empty: every object's name begins with that");
	return STATUS_DONE;
}

enum exit_status run_rm(struct dsoctl *ctl)
{
	struct removal removal = {.ctl = ctl};
	int r = 0;

	if (check_arguments(ctl))
		return STATUS_USAGE;
	if (!(ctl->options & OPTION_FORCE))
		r = holds_read(ctl, &removal.holds);
	if (r) {
		holds_free(&removal.holds);
		return fail(ctl, r);
	}
	removal.deleted = json_array();
	for (unsigned i = 0; i < ctl->operand_count; i++)
		delete_one(&removal, ctl->operands[i]);
	if (ctl->prefix && !ctl->json && !any_is_held(&removal))
		delete_at_once(&removal);
	else if (ctl->prefix)
		delete_prefix(&removal);
	holds_free(&removal.holds);
	if (print_done(ctl, json_pack("{s:o}", "deleted", removal.deleted)))
		return STATUS_FAILED;
	return removal.status;
}
