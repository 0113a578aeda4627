/* SPDX-License-Identifier: Apache-2.0 */
/* fsck: what dso_object_check() finds, object by object. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of one object; the others are counted. With --json all are printed. */
#define FINDINGS_SHOWN 10

#define PROGRESS_NS (DSO_SECOND / 5)

enum state { CLEAN, IN_USE, DAMAGED };

static const char *const state_names[] = {
	[CLEAN] = "clean", [IN_USE] = "in use", [DAMAGED] = "damaged"};

struct fsck {
	struct dsoctl *ctl;
	unsigned long counts[3]; /* of objects, by their state */
	unsigned long unchecked;
	/* of the object that is being checked */
	const char *name;
	json_t *findings;
	unsigned long finding_count;
	bool is_damaged;
	/* on a terminal */
	int64_t progress_ns; /* when it is shown next; 0: never */
	bool shows_progress;
};

/* ---- progress ---- */

static void clear_progress(struct fsck *fsck)
{
	if (fsck->shows_progress)
		fprintf(stderr, "\r\033[K");
	if (fsck->shows_progress)
		fflush(stderr);
	fsck->shows_progress = false;
}

static void show_progress(struct fsck *fsck, size_t done, size_t count)
{
	if (fsck->progress_ns == 0 || now_ns() < fsck->progress_ns)
		return;
	fprintf(stderr, "\r%zu of %zu objects\033[K", done, count);
	fflush(stderr);
	fsck->shows_progress = true;
	fsck->progress_ns = now_ns() + PROGRESS_NS;
}

/* ---- an object ---- */

static const char *kind_name(enum dso_finding_kind kind)
{
	return kind == DSO_FINDING_DAMAGE ? "damage" : "leftover";
}

static void print_finding(struct fsck *fsck, const struct dso_finding *finding)
{
	char name[PRINTABLE_BYTES];

	clear_progress(fsck);
	if (fsck->finding_count++ == FINDINGS_SHOWN)
		printf("%s %s: and more\n", dso_type_name(finding->type),
		       printable(fsck->name, name));
	if (fsck->finding_count <= FINDINGS_SHOWN)
		printf("%s %s: %s at %ju: %s\n", dso_type_name(finding->type),
		       printable(fsck->name, name), kind_name(finding->kind),
		       (uintmax_t)finding->offset, finding->sentence);
}

static int take_finding(const struct dso_finding *finding, void *context)
{
	struct fsck *fsck = context;

	fsck->is_damaged |= finding->kind == DSO_FINDING_DAMAGE;
	if (fsck->ctl->json)
		json_array_append_new(fsck->findings,
				      json_pack("{s:s, s:I, s:o}", "kind", kind_name(finding->kind),
						"offset", (json_int_t)finding->offset, "sentence",
						json_text(finding->sentence)));
	else
		print_finding(fsck, finding);
	return 0;
}

static enum exit_status print_state(struct fsck *fsck, enum state state)
{
	char name[PRINTABLE_BYTES];

	if (fsck->ctl->json)
		return print_json(json_pack("{s:o, s:s, s:O}", "name", json_text(fsck->name),
					    "state", state_names[state], "findings",
					    fsck->findings));
	if (state == IN_USE) {
		clear_progress(fsck);
		printf("%s: in use: it changed at every look\n", printable(fsck->name, name));
	}
	return STATUS_DONE;
}

/* An object that was deleted since it was listed is none to check. */
static enum exit_status check_object(struct fsck *fsck, const char *name, bool is_asked_for)
{
	enum exit_status status = STATUS_DONE;
	enum state state;
	int r;

	fsck->name = name;
	fsck->findings = json_array();
	fsck->finding_count = 0;
	fsck->is_damaged = false;
	r = dso_object_check(fsck->ctl->session, name, take_finding, fsck);
	if (r == 0 || r == -EBUSY) {
		state = r ? IN_USE : fsck->is_damaged ? DAMAGED : CLEAN;
		fsck->counts[state]++;
		status = print_state(fsck, state);
	} else if (is_asked_for || (r != -ENOENT && r != -ESTALE)) {
		clear_progress(fsck);
		fsck->unchecked++;
		fail(fsck->ctl, r);
		/* Of a session that is over no object can be checked. */
		if (r == -ENOTCONN || r == -ESHUTDOWN)
			status = STATUS_FAILED;
	}
	json_decref(fsck->findings);
	return status;
}

/* ---- all that are asked for ---- */

static enum exit_status check_listed(struct fsck *fsck)
{
	enum exit_status status = STATUS_DONE;
	struct listing listing;
	int r = listing_read(fsck->ctl, &listing);

	if (r)
		status = r == -ENOMEM ? fail_because("out of memory for the list")
				      : fail(fsck->ctl, r);
	for (size_t i = 0; status == STATUS_DONE && i < listing.count; i++) {
		show_progress(fsck, i, listing.count);
		status = check_object(fsck, listing.entries[i].name, false);
	}
	clear_progress(fsck);
	listing_free(&listing);
	return status;
}

static void print_sum(const struct fsck *fsck)
{
	const unsigned long *counts = fsck->counts;
	unsigned long sum = counts[CLEAN] + counts[IN_USE] + counts[DAMAGED];

	printf("%lu object%s: %lu clean, %lu damaged, %lu in use\n", sum, sum == 1 ? "" : "s",
	       counts[CLEAN], counts[DAMAGED], counts[IN_USE]);
}

enum exit_status run_fsck(struct dsoctl *ctl)
{
	struct fsck fsck = {.ctl = ctl};
	enum exit_status status = STATUS_DONE;

	if (isatty(STDERR_FILENO))
		fsck.progress_ns = now_ns() + DSO_SECOND;
	for (unsigned i = 0; status == STATUS_DONE && i < ctl->operand_count; i++)
		status = check_object(&fsck, ctl->operands[i], true);
	if (ctl->operand_count == 0)
		status = check_listed(&fsck);
	if (status)
		return status;
	if (!ctl->json)
		print_sum(&fsck);
	return fsck.counts[DAMAGED] || fsck.unchecked ? STATUS_FAILED : STATUS_DONE;
}
