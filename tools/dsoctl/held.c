/* SPDX-License-Identifier: Apache-2.0 */
/* ls --held: the mutexes that somebody holds. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <inttypes.h>

static enum exit_status print_holder(const struct dsoctl *ctl, const struct dso_stat *stat,
				     uint32_t owner, uint64_t token)
{
	char name[PRINTABLE_BYTES];

	if (ctl->json)
		return print_json(json_pack("{s:o, s:s, s:I, s:I}", "name", json_name(stat->name),
					    "type", dso_type_name(stat->type), "owner",
					    (json_int_t)owner, "token", (json_int_t)token));
	printf("%-10s %6u %14" PRIu64 "  %s\n", dso_type_name(stat->type), owner, token,
	       printable(stat->name, name));
	return STATUS_DONE;
}

enum exit_status print_held(const struct dsoctl *ctl, const struct dso_stat *entries, size_t count)
{
	enum exit_status status = STATUS_DONE;
	bool headed = ctl->json;

	for (size_t i = 0; i < count && status == STATUS_DONE; i++) {
		struct dso_mutex *mutex;
		uint32_t owner;
		uint64_t token;
		int r;

		if (entries[i].type != DSO_MUTEX)
			continue;
		r = dso_mutex_open(ctl->session, entries[i].name, NULL, &mutex);
		if (r == 0) {
			r = dso_mutex_holder(mutex, &owner, &token);
			dso_mutex_close(mutex);
		}
		/* Deleted since it was listed, or another object by now. */
		if (r == -ESTALE || r == -EEXIST)
			continue;
		if (r)
			return fail(ctl, r);
		if (owner == 0)
			continue;
		if (!headed)
			printf("%-10s %6s %14s  %s\n", "TYPE", "OWNER", "TOKEN", "NAME");
		headed = true;
		status = print_holder(ctl, &entries[i], owner, token);
	}
	return status;
}
