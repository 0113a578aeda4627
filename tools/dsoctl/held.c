/* SPDX-License-Identifier: Apache-2.0 */
/* ls --held: which session holds what, and for how long. */
#include "tools/dsoctl/age.h"
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int collect(const struct dso_hold *hold, void *context)
{
	struct holds *holds = context;

	if (holds->count == holds->room) {
		size_t room = holds->room ? 2 * holds->room : 64;
		struct dso_hold *entries = reallocarray(holds->entries, room, sizeof *entries);

		if (!entries)
			return -ENOMEM;
		holds->entries = entries;
		holds->room = room;
	}
	holds->entries[holds->count++] = *hold;
	return 0;
}

/* In an order that does not change as long as nothing is taken or given back. */
static int by_name(const void *left, const void *right)
{
	const struct dso_hold *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	if (order == 0)
		order = (a->generation > b->generation) - (a->generation < b->generation);
	if (order == 0)
		order = (a->role > b->role) - (a->role < b->role);
	return order ? order : (a->owner > b->owner) - (a->owner < b->owner);
}

static const char *role_name(enum dso_role role)
{
	static const char *const names[] = {"holder", "writer", "reader"};

	return (unsigned)role < sizeof names / sizeof *names ? names[role] : "unknown";
}

/* How long it was held at least; of a young hold how long at most, as in "<4s"; "-" where neither
 * is known. */
static const char *since(const struct dso_hold *hold, char text[static DURATION_BYTES])
{
	if (hold->held_min >= DSO_SECOND) {
		age_write(text, DURATION_BYTES, hold->held_min / DSO_SECOND);
	} else if (hold->held_max != DSO_FOREVER) {
		text[0] = '<';
		age_write(text + 1, DURATION_BYTES - 1, hold->held_max / DSO_SECOND + 1);
	} else {
		strcpy(text, "-");
	}
	return text;
}

static enum exit_status print_as_json(const struct dso_hold *hold)
{
	return print_json(json_with_text(
		json_pack("{s:o, s:s, s:s, s:I, s:o, s:I, s:I, s:I, s:o}", "name",
			  json_text(hold->name), "type", dso_type_name(hold->type), "role",
			  role_name(hold->role), "owner", (json_int_t)hold->owner, "who",
			  json_text(hold->who), "token", (json_int_t)hold->token, "count",
			  (json_int_t)hold->count, "held_min_ns", (json_int_t)hold->held_min,
			  "held_max_ns",
			  hold->held_max == DSO_FOREVER ? json_null()
							: json_integer(hold->held_max)),
		"token"));
}

static void print_as_text(const struct dso_hold *hold)
{
	char who[PRINTABLE_BYTES], name[PRINTABLE_BYTES], time[DURATION_BYTES];

	printf("%-10s %-6s %6u %-22s %19" PRIu64 " %5u %8s  %s\n", dso_type_name(hold->type),
	       role_name(hold->role), hold->owner, hold->who[0] ? printable(hold->who, who) : "-",
	       hold->token, hold->count, since(hold, time), printable(hold->name, name));
}

int holds_read(const struct dsoctl *ctl, struct holds *ret_holds)
{
	int r;

	*ret_holds = (struct holds){0};
	r = dso_holds(ctl->session, collect, ret_holds);
	if (r == 0 && ret_holds->count)
		qsort(ret_holds->entries, ret_holds->count, sizeof *ret_holds->entries, by_name);
	return r;
}

void holds_free(struct holds *holds)
{
	free(holds->entries);
	*holds = (struct holds){0};
}

const struct dso_hold *holds_next(const struct holds *holds, const char *name,
				  const struct dso_hold *last)
{
	const struct dso_hold *end = holds->entries + holds->count;

	for (last = last ? last + 1 : holds->entries; last < end; last++)
		if (!strcmp(last->name, name))
			return last;
	return NULL;
}

const char *hold_text(const struct dso_hold *hold, char text[static HOLD_TEXT_BYTES])
{
	char time[DURATION_BYTES], share[24] = "";
	const char *age = since(hold, time);
	bool known = strcmp(age, "-") != 0;

	if (hold->count > 1)
		snprintf(share, sizeof share, "%u of it ", hold->count);
	snprintf(text, HOLD_TEXT_BYTES, "%sheld by %s%s%s", share,
		 hold->who[0] ? hold->who : "a session", known ? " for " : "", known ? age : "");
	return text;
}

enum exit_status print_held(const struct dsoctl *ctl)
{
	enum exit_status status = STATUS_DONE;
	struct holds holds;
	int r = holds_read(ctl, &holds);

	if (r == -ENOMEM)
		status = fail_because("out of memory for the list");
	else if (r)
		status = fail(ctl, r);
	if (status == STATUS_DONE && holds.count && !ctl->json)
		printf("%-10s %-6s %6s %-22s %19s %5s %8s  %s\n", "TYPE", "ROLE", "OWNER", "WHO",
		       "TOKEN", "COUNT", "SINCE", "NAME");
	for (size_t i = 0; i < holds.count && status == STATUS_DONE; i++) {
		if (ctl->json)
			status = print_as_json(&holds.entries[i]);
		else
			print_as_text(&holds.entries[i]);
	}
	holds_free(&holds);
	return status;
}
