/* SPDX-License-Identifier: Apache-2.0 */
/* What the check of a whole map (map_check.c) finds, as findings of dso_object_check. */
#include "lib/objects/map_findings.h"
#include "lib/objects/map_snapshot.h"

#include <inttypes.h>
#include <time.h>

#define LOOKS_MAX 6
#define PAUSE_NS  (DSO_SECOND / 100) /* between the first two looks; doubled each time */

/* What no client brings about, wherever any of them stands still. */
struct faults {
	uint64_t damaged, misplaced, doubled, broken_pages;
	int error; /* -EBADMSG: it cannot be followed */
};

static int look(struct dso_map *map, struct faults *ret_faults, struct map_report *ret_report)
{
	int r = map_check(map, ret_report);

	*ret_faults = (struct faults){.error = r};
	if (r)
		return r == -EBADMSG ? 0 : r;
	ret_faults->damaged = ret_report->damaged;
	ret_faults->misplaced = ret_report->misplaced;
	ret_faults->doubled = ret_report->doubled;
	ret_faults->broken_pages = ret_report->space.broken_pages;
	return 0;
}

static bool is_clean(const struct faults *faults)
{
	static const struct faults none;

	return memcmp(faults, &none, sizeof none) == 0;
}

/* Look until nothing is found, or the same twice. Returns -EAGAIN where it always is something
 * else: others change the map. */
static int look_until_sure(struct dso_map *map, struct faults *faults, struct map_report *report)
{
	struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct faults before;
	int r = look(map, faults, report);

	for (unsigned i = 1; r == 0 && !is_clean(faults) && i < LOOKS_MAX; i++) {
		nanosleep(&pause, NULL);
		pause.tv_nsec *= 2;
		before = *faults;
		r = look(map, faults, report);
		if (r == 0 && memcmp(&before, faults, sizeof before) == 0)
			return 0;
	}
	return r == 0 && !is_clean(faults) ? -EAGAIN : r;
}

static void tell(struct findings *findings, const struct faults *faults)
{
	if (faults->error)
		findings_add(findings, DSO_FINDING_DAMAGE, 0,
			     "its segments or blocks lead to where none are");
	if (faults->damaged)
		findings_add(findings, DSO_FINDING_DAMAGE, 0,
			     "%" PRIu64 " of its entries are not what their writers wrote",
			     faults->damaged);
	if (faults->misplaced)
		findings_add(findings, DSO_FINDING_DAMAGE, 0,
			     "%" PRIu64 " of its entries are where no client looks for their keys",
			     faults->misplaced);
	if (faults->doubled)
		findings_add(findings, DSO_FINDING_DAMAGE, 0,
			     "%" PRIu64 " of its entries have the key of another one",
			     faults->doubled);
	if (faults->broken_pages)
		findings_add(findings, DSO_FINDING_DAMAGE, 0,
			     "%" PRIu64 " of its pages are not as blocks need them",
			     faults->broken_pages);
}

static void tell_leftovers(struct findings *findings, const struct map_report *report)
{
	const struct space_report *space = &report->space;

	if (space->unreferenced_blocks)
		findings_add(findings, DSO_FINDING_LEFTOVER, 0,
			     "%" PRIu64
			     " of its blocks are no entry's: they are free when a session "
			     "takes the place of the one that has ended",
			     space->unreferenced_blocks);
	if (report->provisional + report->unfinished)
		findings_add(findings, DSO_FINDING_LEFTOVER, 0,
			     "%" PRIu64
			     " of its entries were left half done: the next writer there "
			     "finishes or removes them",
			     report->provisional + report->unfinished);
}

int map_find(struct dso_map *map, bool is_alone, struct findings *findings)
{
	struct map_report report;
	struct faults faults;
	int r = look_until_sure(map, &faults, &report);

	if (r)
		return r;
	tell(findings, &faults);
	if (is_alone && faults.error == 0)
		tell_leftovers(findings, &report);
	return 0;
}
