/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/linearizability/checker.h"

#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 12 /* of the longest order */

/* A call, or a return; of an operation that is not known there is only the call. */
struct event {
	struct event *previous, *next;
	struct event *answer; /* of a call; NULL where none is known */
	uint16_t operation;
	bool is_call;
	int64_t at_ns;
};

struct placed_set {
	uint64_t bits[HISTORY_OPERATIONS_MAX / 64];
};

/* Which operations are placed, and the state that they lead to. A free place of the table has
 * none placed. */
struct configuration {
	struct placed_set placed;
	struct state state;
};

struct search {
	const struct specification *specification;
	const struct history *history;
	struct event events[2 * HISTORY_OPERATIONS_MAX];
	size_t event_count;
	struct event head;
	size_t known_left; /* operations with a known outcome that are yet to be placed */
	struct configuration now;
	size_t depth;
	struct {
		struct event *call;
		struct state before;
	} stack[HISTORY_OPERATIONS_MAX];
	struct configuration *seen; /* open addressing */
	size_t seen_mask;
	size_t budget;
	struct report *report;
};

/* ---- the list of events ---- */

static int compare_events(const void *a, const void *b)
{
	const struct event *left = a, *right = b;

	if (left->at_ns != right->at_ns)
		return left->at_ns < right->at_ns ? -1 : 1;
	/* At the same time means that neither is before the other. */
	if (left->is_call != right->is_call)
		return left->is_call ? -1 : 1;
	return (int)left->operation - (int)right->operation;
}

static void list_events(struct search *search)
{
	struct event *calls[HISTORY_OPERATIONS_MAX], *last = &search->head;

	for (size_t i = 0; i < search->history->count; i++) {
		const struct operation *operation = &search->history->operations[i];

		search->events[search->event_count++] = (struct event){
			.operation = (uint16_t)i, .is_call = true, .at_ns = operation->call_ns};
		if (!operation->known)
			continue;
		search->known_left++;
		search->events[search->event_count++] =
			(struct event){.operation = (uint16_t)i, .at_ns = operation->return_ns};
	}
	qsort(search->events, search->event_count, sizeof *search->events, compare_events);
	for (size_t i = 0; i < search->event_count; i++) {
		struct event *event = &search->events[i];

		event->previous = last;
		last->next = event;
		last = event;
		if (event->is_call)
			calls[event->operation] = event;
		else
			calls[event->operation]->answer = event;
	}
}

static void unlink_event(struct event *event)
{
	event->previous->next = event->next;
	if (event->next)
		event->next->previous = event->previous;
}

/* Undo unlink_event, in the reverse order. */
static void relink_event(struct event *event)
{
	event->previous->next = event;
	if (event->next)
		event->next->previous = event;
}

/* ---- what was seen ---- */

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

static uint64_t hash_of(const struct configuration *configuration)
{
	uint64_t hash = 1;

	for (size_t i = 0; i < HISTORY_OPERATIONS_MAX / 64; i++)
		hash = mix(hash, configuration->placed.bits[i]);
	for (size_t i = 0; i < STATE_WORDS; i++)
		hash = mix(hash, configuration->state.words[i]);
	return hash;
}

/* Remember it. Returns whether it is new. */
static bool remember(struct search *search, const struct configuration *configuration)
{
	static const struct placed_set none;
	size_t at = hash_of(configuration) & search->seen_mask;

	for (;; at = (at + 1) & search->seen_mask) {
		struct configuration *seen = &search->seen[at];

		if (!memcmp(&seen->placed, &none, sizeof none)) {
			*seen = *configuration;
			search->report->configurations++;
			return true;
		}
		if (!memcmp(seen, configuration, sizeof *seen))
			return false;
	}
}

/* ---- the search ---- */

static const struct operation *operation_of(const struct search *search, const struct event *event)
{
	return &search->history->operations[event->operation];
}

static void note_if_longest(struct search *search)
{
	struct report *report = search->report;

	if (search->depth <= report->placed_count)
		return;
	report->placed_count = search->depth;
	report->state = search->now.state;
	for (size_t i = 0; i < search->depth; i++)
		report->placed[i] = search->stack[i].call->operation;
}

/* Place the operation that @call begins next, if that is allowed and leads to something new. */
static bool place(struct search *search, struct event *call)
{
	struct configuration next = search->now;

	if (!search->specification->step(&next.state, operation_of(search, call)))
		return false;
	next.placed.bits[call->operation / 64] |= UINT64_C(1) << call->operation % 64;
	if (!remember(search, &next))
		return false;
	search->stack[search->depth].call = call;
	search->stack[search->depth].before = search->now.state;
	search->depth++;
	search->now = next;
	unlink_event(call);
	if (call->answer) {
		unlink_event(call->answer);
		search->known_left--;
	}
	note_if_longest(search);
	return true;
}

/* Undo the last placing. Returns the call that it was. */
static struct event *take_back(struct search *search)
{
	struct event *call = search->stack[--search->depth].call;

	search->now.state = search->stack[search->depth].before;
	search->now.placed.bits[call->operation / 64] &= ~(UINT64_C(1) << call->operation % 64);
	if (call->answer) {
		relink_event(call->answer);
		search->known_left++;
	}
	relink_event(call);
	return call;
}

static enum verdict run(struct search *search)
{
	struct event *event = search->head.next;

	/* Those that are not known may stay out. */
	while (search->known_left) {
		if (search->report->configurations >= search->budget)
			return UNDECIDED;
		if (event->is_call) {
			event = place(search, event) ? search->head.next : event->next;
			continue;
		}
		/* It has returned, so nothing behind it can be before it: something else was
		 * wrong. */
		if (search->depth == 0)
			return NOT_LINEARIZABLE;
		event = take_back(search)->next;
	}
	return LINEARIZABLE;
}

bool operations_overlap(const struct operation *a, const struct operation *b)
{
	return (!a->known || a->return_ns >= b->call_ns) &&
	       (!b->known || b->return_ns >= a->call_ns);
}

static void mark_disturbed(const struct specification *specification, struct history *history)
{
	for (size_t i = 0; i < history->count; i++) {
		struct operation *operation = &history->operations[i];

		operation->disturbed = false;
		for (size_t j = 0; specification->disturbs && j < history->count; j++) {
			const struct operation *other = &history->operations[j];

			operation->disturbed |= other->client != operation->client &&
						operations_overlap(other, operation) &&
						specification->disturbs(other, operation);
		}
	}
}

enum verdict history_check(const struct specification *specification, struct history *history,
			   size_t budget, struct report *ret_report)
{
	struct search *search = calloc(1, sizeof *search);
	size_t places = 2;

	while (places < 2 * budget)
		places *= 2;
	if (!search || history->count > HISTORY_OPERATIONS_MAX)
		abort();
	search->seen = calloc(places, sizeof *search->seen);
	if (!search->seen)
		abort();
	*ret_report = (struct report){0};
	search->specification = specification;
	search->history = history;
	search->seen_mask = places - 1;
	search->budget = budget;
	search->report = ret_report;
	mark_disturbed(specification, history);
	list_events(search);
	specification->begin(&search->now.state, history->parameter);
	ret_report->state = search->now.state;
	ret_report->verdict = run(search);
	free(search->seen);
	free(search);
	return ret_report->verdict;
}

/* ---- printing ---- */

static void print_numbers(FILE *out, const int64_t *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fprintf(out, "%s%lld", i ? ", " : "", (long long)numbers[i]);
}

static void print_operation(FILE *out, const struct specification *specification,
			    const struct operation *operation, int64_t begin_ns)
{
	const struct operation_kind *kind = &specification->kinds[operation->kind];

	fprintf(out, "#   %10.1f", (double)(operation->call_ns - begin_ns) / 1000);
	if (operation->known)
		fprintf(out, " to %10.1f us", (double)(operation->return_ns - begin_ns) / 1000);
	else
		fprintf(out, " to %10s us", "?");
	fprintf(out, "  client %u  %s(", operation->client, kind->name);
	print_numbers(out, operation->arguments, kind->arguments);
	fprintf(out, ")");
	if (!operation->known) {
		fprintf(out, ", outcome unknown");
	} else if (operation->status) {
		fprintf(out, " = -%s", strerrorname_np(-operation->status));
	} else if (kind->results) {
		fprintf(out, " = ");
		print_numbers(out, operation->results, kind->results);
	}
	fprintf(out, "%s\n", operation->disturbed ? ", disturbed" : "");
}

/* Those that may be next: called before any that is left had returned. */
static void print_candidates(FILE *out, const struct specification *specification,
			     const struct history *history, const bool *placed, int64_t begin_ns)
{
	int64_t first_return_ns = INT64_MAX;

	for (size_t i = 0; i < history->count; i++) {
		const struct operation *operation = &history->operations[i];

		if (!placed[i] && operation->known && operation->return_ns < first_return_ns)
			first_return_ns = operation->return_ns;
	}
	for (size_t i = 0; i < history->count; i++)
		if (!placed[i] && history->operations[i].call_ns <= first_return_ns)
			print_operation(out, specification, &history->operations[i], begin_ns);
}

void history_print(FILE *out, const struct specification *specification,
		   const struct history *history, const struct report *report)
{
	bool placed[HISTORY_OPERATIONS_MAX] = {false};
	size_t first = report->placed_count > SHOWN_MAX ? report->placed_count - SHOWN_MAX : 0;
	int64_t begin_ns = INT64_MAX;

	for (size_t i = 0; i < history->count; i++)
		if (history->operations[i].call_ns < begin_ns)
			begin_ns = history->operations[i].call_ns;
	fprintf(out, "# %s: %s after %zu configurations; %zu of %zu operations could be placed%s\n",
		specification->name,
		report->verdict == LINEARIZABLE ? "linearizable"
		: report->verdict == UNDECIDED  ? "undecided"
						: "not linearizable",
		report->configurations, report->placed_count, history->count,
		first ? ", at last" : "");
	for (size_t i = 0; i < report->placed_count; i++) {
		placed[report->placed[i]] = true;
		if (i >= first)
			print_operation(out, specification, &history->operations[report->placed[i]],
					begin_ns);
	}
	fprintf(out, "# which leads to the state");
	for (size_t i = 0; i < STATE_WORDS; i++)
		fprintf(out, " %#llx", (unsigned long long)report->state.words[i]);
	fprintf(out, ", in which none of these can be next:\n");
	print_candidates(out, specification, history, placed, begin_ns);
}
