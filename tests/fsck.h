/* SPDX-License-Identifier: Apache-2.0 */
/* At the end of a stress: all objects that it has used are whole. */
#ifndef TESTS_FSCK_H
#define TESTS_FSCK_H

#include "tests/await.h"

#include <dso/dso.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define FSCK_NAMES_MAX 16384

struct fsck {
	char names[FSCK_NAMES_MAX][DSO_NAME_BYTES_MAX + 1];
	unsigned count;
	const char *name; /* of the object that is looked at */
	unsigned damage;
	bool is_loud;
};

static inline int fsck_collect(const struct dso_stat *stat, void *context)
{
	struct fsck *fsck = context;

	if (fsck->count == FSCK_NAMES_MAX)
		return 1;
	strcpy(fsck->names[fsck->count++], stat->name);
	return 0;
}

static inline int fsck_tell(const struct dso_finding *finding, void *context)
{
	struct fsck *fsck = context;

	fsck->damage += finding->kind == DSO_FINDING_DAMAGE;
	if (fsck->is_loud)
		fprintf(stderr, "# %s %s at %ju: %s\n", dso_type_name(finding->type), fsck->name,
			(uintmax_t)finding->offset, finding->sentence);
	return 0;
}

/* Whether all objects of the namespace are quiet and without damage. */
static inline bool fsck_is_clean(struct dso_session *session, bool is_loud)
{
	struct fsck *fsck = calloc(1, sizeof *fsck);
	bool clean = fsck && dso_list(session, fsck_collect, fsck) == 0;

	for (unsigned i = 0; fsck && i < fsck->count; i++) {
		fsck->name = fsck->names[i];
		fsck->is_loud = is_loud;
		if (dso_object_check(session, fsck->name, fsck_tell, fsck) == 0)
			continue;
		clean = false;
		if (is_loud)
			fprintf(stderr, "# %s\n", dso_error(session));
	}
	clean = clean && fsck->damage == 0;
	free(fsck);
	return clean;
}

/* Wait until they are: sessions that have just ended are still being swept. Tells once what is
 * wrong where that takes long, and ends the program where it takes too long. */
static inline void fsck_until_clean(struct dso_session *session)
{
	int64_t loud_ns = clock_raw_ns() + AWAIT_NS / 12;

	for (int64_t end_ns = clock_raw_ns() + AWAIT_NS; !fsck_is_clean(session, false);) {
		if (clock_raw_ns() > loud_ns) {
			fsck_is_clean(session, true);
			loud_ns = end_ns;
		}
		await_on(end_ns, "all objects are clean", __FILE__, __LINE__);
	}
}

#endif
