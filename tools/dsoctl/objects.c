/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of any type, by name: ls and stat; rm is in rm.c. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool has_prefix(const struct dsoctl *ctl, const char *name)
{
	return !ctl->prefix || !strncmp(name, ctl->prefix, strlen(ctl->prefix));
}

static int collect(const struct dso_stat *stat, void *context)
{
	struct listing *listing = context;

	if (!has_prefix(listing->ctl, stat->name))
		return 0;
	if (listing->count == listing->room) {
		size_t room = listing->room ? 2 * listing->room : 64;
		struct dso_stat *entries = reallocarray(listing->entries, room, sizeof *entries);

		if (!entries)
			return -ENOMEM;
		listing->entries = entries;
		listing->room = room;
	}
	listing->entries[listing->count++] = *stat;
	return 0;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(((const struct dso_stat *)left)->name,
		      ((const struct dso_stat *)right)->name);
}

/* Add what the type's parameters mean. */
static void add_parameters(json_t *object, const struct dso_stat *stat)
{
	static const char *const names[][4] = {
		[DSO_MEMORY] = {"size_bytes"},
		[DSO_COUNTER] = {"initial", "stripes"},
		[DSO_REGISTER] = {"capacity_bytes"},
		[DSO_RWLOCK] = {"readers"},
		[DSO_SEMAPHORE] = {"permits"},
		[DSO_BARRIER] = {"parties"},
		[DSO_LATCH] = {"initial"},
		[DSO_FUTURE] = {"capacity_bytes"},
		[DSO_QUEUE] = {"capacity", "item_bytes"},
		[DSO_MAP] = {"members"},
		[DSO_SET] = {"members"},
		[DSO_AGGREGATOR] = {"length", "kind", "contributors", "flags"},
	};

	if ((unsigned)stat->type >= sizeof names / sizeof *names)
		return;
	for (unsigned i = 0; i < 4 && names[stat->type][i]; i++)
		json_object_set_new(object, names[stat->type][i],
				    json_integer((json_int_t)stat->parameters[i]));
}

static json_t *describe(const struct dso_stat *stat)
{
	json_t *object = json_pack(
		"{s:o, s:s, s:I, s:I, s:I, s:I, s:b}", "name", json_text(stat->name), "type",
		dso_type_name(stat->type), "generation", (json_int_t)stat->generation, "offset",
		(json_int_t)stat->offset, "length_bytes", (json_int_t)stat->length_bytes, "opens",
		(json_int_t)stat->opens, "ephemeral", (int)stat->ephemeral);

	if (object)
		add_parameters(object, stat);
	if (object && stat->extents)
		json_object_update_new(object,
				       json_pack("{s:I, s:I}", "extents", (json_int_t)stat->extents,
						 "extent_bytes", (json_int_t)stat->extent_bytes));
	return object;
}

int listing_read(const struct dsoctl *ctl, struct listing *ret_listing)
{
	int r;

	*ret_listing = (struct listing){.ctl = ctl};
	r = dso_list(ctl->session, collect, ret_listing);
	if (r == 0 && ret_listing->count)
		qsort(ret_listing->entries, ret_listing->count, sizeof *ret_listing->entries,
		      by_name);
	return r;
}

void listing_free(struct listing *listing)
{
	free(listing->entries);
	*listing = (struct listing){0};
}

static enum exit_status print_listing(const struct dsoctl *ctl, const struct listing *listing)
{
	bool detailed = ctl->options & OPTION_LONG;
	char name[PRINTABLE_BYTES];

	if (detailed && !ctl->json && listing->count)
		printf("%-10s %10s %12s %6s %-9s  %s\n", "TYPE", "GENERATION", "BYTES", "OPENS",
		       "EPHEMERAL", "NAME");
	for (size_t i = 0; i < listing->count; i++) {
		const struct dso_stat *stat = &listing->entries[i];

		if (ctl->json) {
			enum exit_status status =
				print_json(json_with_text(describe(stat), "initial"));

			if (status)
				return status;
			continue;
		}
		if (detailed)
			printf("%-10s %10u %12ju %6u %-9s  ", dso_type_name(stat->type),
			       stat->generation, (uintmax_t)stat->length_bytes, stat->opens,
			       stat->ephemeral ? "yes" : "no");
		puts(printable(stat->name, name));
	}
	return STATUS_DONE;
}

enum exit_status run_ls(struct dsoctl *ctl)
{
	struct listing listing;
	enum exit_status status;
	int r;

	if (ctl->options & OPTION_HELD)
		return print_held(ctl);
	r = listing_read(ctl, &listing);
	if (r == -ENOMEM)
		status = fail_because("out of memory for the list");
	else if (r)
		status = fail(ctl, r);
	else
		status = print_listing(ctl, &listing);
	listing_free(&listing);
	return status;
}

static enum exit_status stat_object(struct dsoctl *ctl, const char *name)
{
	struct dso_stat stat;
	json_t *object;
	int r = dso_object_stat(ctl->session, name, &stat);

	if (r)
		return fail(ctl, r);
	object = describe(&stat);
	return ctl->json ? print_json(json_with_text(object, "initial")) : print_members(object);
}

/* How many sessions ended for each reason, and how many are parked. */
static int add_sessions(struct dsoctl *ctl, json_t *object)
{
	static const char prefix[] = "sessions_";
	struct dso_figure figures[DSO_FIGURES_MAX];
	size_t count;
	int r = dso_transport_stat(ctl->session, figures, DSO_FIGURES_MAX, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		if (figures[i].at_storaged && !strncmp(figures[i].name, prefix, strlen(prefix)))
			json_object_set_new(object, figures[i].name,
					    json_integer((json_int_t)figures[i].value));
	return r;
}

static enum exit_status stat_server(struct dsoctl *ctl)
{
	struct dso_server_stat stat;
	json_t *object;
	int r = dso_server_stat(ctl->session, &stat);

	if (r)
		return fail(ctl, r);
	object = json_pack(
		"{s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, "
		"s:I, s:I}",
		"version", json_text(stat.version), "uptime_ns", (json_int_t)stat.uptime, "domain",
		json_text(stat.domain), "domain_reason", json_text(stat.domain_reason), "device",
		json_text(stat.device), "io", json_text(stat.io), "region_bytes",
		(json_int_t)stat.region_bytes, "region_used_bytes",
		(json_int_t)stat.region_used_bytes, "objects", (json_int_t)stat.objects,
		"objects_max", (json_int_t)stat.objects_max, "sessions", (json_int_t)stat.sessions,
		"sessions_max", (json_int_t)stat.sessions_max, "sessions_begun",
		(json_int_t)stat.sessions_begun, "sessions_fenced",
		(json_int_t)stat.sessions_fenced, "sessions_lost", (json_int_t)stat.sessions_lost,
		"protocol_errors", (json_int_t)stat.protocol_errors, "operations",
		(json_int_t)stat.operations, "session_ttl_ns", (json_int_t)stat.session_ttl);
	r = object ? add_sessions(ctl, object) : 0;
	if (r) {
		json_decref(object);
		return fail(ctl, r);
	}
	return ctl->json ? print_json(object) : print_members(object);
}

static enum exit_status print_figures(const struct dso_figure *figures, size_t count)
{
	char name[PRINTABLE_BYTES];

	printf("%-28s %14s %14s\n", "", "this session", "storaged");
	for (size_t i = 0; i < count && !figures[i].at_storaged; i++) {
		printf("%-28s %14ju", printable(figures[i].name, name),
		       (uintmax_t)figures[i].value);
		for (size_t j = i + 1; j < count; j++)
			if (figures[j].at_storaged && !strcmp(figures[i].name, figures[j].name))
				printf(" %14ju", (uintmax_t)figures[j].value);
		putchar('\n');
	}
	return STATUS_DONE;
}

static enum exit_status stat_transport(struct dsoctl *ctl)
{
	static const char *const sides[] = {"session", "storaged"};
	struct dso_figure figures[DSO_FIGURES_MAX];
	json_t *objects[2];
	char name[PRINTABLE_BYTES];
	size_t count;
	int r = dso_transport_stat(ctl->session, figures, DSO_FIGURES_MAX, &count);

	if (r)
		return fail(ctl, r);
	if (!ctl->json && (count == 0 || figures[0].at_storaged))
		return fail_because("transport %s counts no packets: try --transport roce",
				    dso_transport(ctl->session));
	if (!ctl->json)
		return print_figures(figures, count);
	objects[0] = json_object();
	objects[1] = json_object();
	for (size_t i = 0; i < count; i++)
		json_object_set_new(objects[figures[i].at_storaged != 0],
				    printable(figures[i].name, name),
				    json_integer((json_int_t)figures[i].value));
	return print_json(json_pack("{s:s, s:o, s:o}", "transport", dso_transport(ctl->session),
				    sides[0], objects[0], sides[1], objects[1]));
}

enum exit_status run_stat(struct dsoctl *ctl)
{
	if (ctl->options & OPTION_FIGURES && ctl->operand_count)
		return wrong_usage(ctl, "stat describes an object or the transport, not both");
	if (ctl->options & OPTION_FIGURES)
		return stat_transport(ctl);
	return ctl->operand_count ? stat_object(ctl, ctl->operands[0]) : stat_server(ctl);
}
