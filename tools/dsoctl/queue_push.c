/* SPDX-License-Identifier: Apache-2.0 */
/* queue push: items from the command line, or from stdin. */
#include "tools/dsoctl/dsoctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEM_BYTES_AT_CREATION 224 /* the library's, where nobody says any */
#define INPUT_BYTES            (4 * DSO_QUEUE_ITEM_BYTES_MAX)
#define BATCH                  1024 /* items of stdin that are pushed at a time, at most */

struct push {
	struct dsoctl *ctl;
	/* NULL until the first items are there: a new queue has room for them */
	struct dso_queue *queue;
	uint64_t pushed;
	/* the items are pushed as they are read, so that those before a wrong one are there */
	bool is_stream;
};

/* ---- items ---- */

/* Open the queue, or create it, with room for items of @longest unless --item-bytes says
 * otherwise. */
static int open_for(struct push *push, size_t longest)
{
	struct dsoctl *ctl = push->ctl;
	struct dso_queue_params params = {.capacity = ctl->capacity,
					  .item_bytes = (uint32_t)ctl->item_bytes};
	int r = 0;

	if (params.item_bytes == 0 && longest > ITEM_BYTES_AT_CREATION)
		r = dso_object_stat(ctl->session, ctl->operands[0], NULL);
	if (r == -ENOENT && longest <= DSO_QUEUE_ITEM_BYTES_MAX) {
		params.item_bytes = ITEM_BYTES_AT_CREATION;
		while (params.item_bytes < longest)
			params.item_bytes *= 2;
		if (params.item_bytes > DSO_QUEUE_ITEM_BYTES_MAX)
			params.item_bytes = DSO_QUEUE_ITEM_BYTES_MAX;
		r = dso_queue_open(ctl->session, ctl->operands[0], &params, &push->queue);
		/* Another session has created it meanwhile, with other parameters: -EINVAL. */
		if (r != -EINVAL)
			return r;
		params.item_bytes = 0;
	}
	if (r && r != -ENOENT && r != -EINVAL)
		return r;
	return dso_queue_open(ctl->session, ctl->operands[0], &params, &push->queue);
}

static const char *how_many(const struct push *push, char text[static 64])
{
	if (push->pushed)
		snprintf(text, 64, "%ju before %s", (uintmax_t)push->pushed,
			 push->pushed == 1 ? "was pushed" : "were pushed");
	else
		snprintf(text, 64, "nothing was pushed");
	return text;
}

static enum exit_status fail_push(const struct push *push, int error)
{
	const struct dsoctl *ctl = push->ctl;
	char text[64];

	if (error == -ETIMEDOUT) {
		fail_because("%s: it is full, with room for %u items; %s; --timeout waits longer",
			     dso_error(ctl->session), dso_queue_capacity(push->queue),
			     how_many(push, text));
		return STATUS_TIMED_OUT;
	}
	if (push->pushed == 0)
		return fail(ctl, error);
	return fail_because("%s; %s", dso_error(ctl->session), how_many(push, text));
}

static enum exit_status fail_too_long(const struct push *push, size_t index)
{
	const struct dsoctl *ctl = push->ctl;
	uint32_t most = push->queue ? dso_queue_item_bytes(push->queue) : DSO_QUEUE_ITEM_BYTES_MAX;
	char text[64];

	if (most == DSO_QUEUE_ITEM_BYTES_MAX)
		return fail_because("item %ju is longer than %u bytes, the most of any queue; %s",
				    (uintmax_t)(push->pushed + index + 1), most,
				    how_many(push, text));
	return fail_because("item %ju is longer than %u bytes, the most of queue %s; %s; to make "
			    "one for longer items, dsoctl rm %s and push with --item-bytes",
			    (uintmax_t)(push->pushed + index + 1), most, ctl->operands[0],
			    how_many(push, text), ctl->operands[0]);
}

static size_t longest_of(const struct dso_queue_item *items, size_t count)
{
	size_t longest = 0;

	for (size_t i = 0; i < count; i++)
		if (items[i].length_bytes > longest)
			longest = items[i].length_bytes;
	return longest;
}

/* The index of the first item of more than @most bytes, or @count. */
static size_t first_above(const struct dso_queue_item *items, size_t count, size_t most)
{
	size_t i = 0;

	while (i < count && items[i].length_bytes <= most)
		i++;
	return i;
}

static enum exit_status push_items(struct push *push, const struct dso_queue_item *items,
				   size_t count)
{
	size_t fit = first_above(items, count, DSO_QUEUE_ITEM_BYTES_MAX), pushed = 0;
	int r = 0;

	/* Before a queue is made for them. */
	if (!push->is_stream && fit < count)
		return fail_too_long(push, fit);
	if (!push->queue)
		r = open_for(push, longest_of(items, fit));
	if (r)
		return fail(push->ctl, r);
	fit = first_above(items, count, dso_queue_item_bytes(push->queue));
	if (!push->is_stream && fit < count)
		return fail_too_long(push, fit);
	r = dso_queue_push_many(push->queue, items, fit, time_left(push->ctl), &pushed);
	push->pushed += pushed;
	if (r)
		return fail_push(push, r);
	return fit < count ? fail_too_long(push, 0) : STATUS_DONE;
}

static enum exit_status push_operands(struct push *push)
{
	char **words = push->ctl->operands + 1;
	size_t count = push->ctl->operand_count - 1;
	struct dso_queue_item *items = calloc(count, sizeof *items);
	enum exit_status status;

	if (!items)
		return fail_because("out of memory for %zu items", count);
	for (size_t i = 0; i < count; i++)
		items[i] = (struct dso_queue_item){.bytes = words[i],
						   .length_bytes = strlen(words[i])};
	status = push_items(push, items, count);
	free(items);
	return status;
}

static enum exit_status push_input(struct push *push)
{
	struct dso_queue_item item = {0};
	enum exit_status status = STATUS_FAILED;

	item.bytes = read_input(DSO_QUEUE_ITEM_BYTES_MAX, &item.length_bytes);
	if (item.bytes)
		status = push_items(push, &item, 1);
	free(item.bytes);
	return status;
}

/* ---- stdin as many items ---- */

struct input {
	/* of INPUT_BYTES */
	uint8_t *bytes;
	/* what was read, and how much of that was cut off */
	size_t length, used;
	bool has_ended;
	char delimiter;
};

static int read_more(struct input *input)
{
	ssize_t n;

	input->length -= input->used;
	memmove(input->bytes, input->bytes + input->used, input->length);
	input->used = 0;
	do
		n = read(STDIN_FILENO, input->bytes + input->length, INPUT_BYTES - input->length);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	input->has_ended = n == 0;
	input->length += (size_t)n;
	return 0;
}

/* Cut off those items of @input that are whole, or longer than one may be. Returns how many. */
static size_t cut(struct input *input, struct dso_queue_item items[BATCH])
{
	size_t count = 0;

	while (count < BATCH && input->used < input->length) {
		uint8_t *from = input->bytes + input->used;
		size_t left = input->length - input->used;
		uint8_t *end = memchr(from, input->delimiter, left);

		if (!end && !input->has_ended && left <= DSO_QUEUE_ITEM_BYTES_MAX)
			break;
		if (end)
			left = (size_t)(end - from);
		items[count++] = (struct dso_queue_item){.bytes = from, .length_bytes = left};
		input->used += left + (end != NULL);
	}
	return count;
}

/* What one read() gets is pushed at once: a slow pipe keeps nothing back that is whole. */
static enum exit_status push_stream(struct push *push, struct input *input,
				    struct dso_queue_item items[BATCH])
{
	enum exit_status status = STATUS_DONE;
	size_t count;

	while (status == STATUS_DONE && !input->has_ended) {
		int r = read_more(input);

		if (r)
			return fail_because("cannot read stdin: %s", strerror(-r));
		while (status == STATUS_DONE && (count = cut(input, items)))
			status = push_items(push, items, count);
	}
	/* Of no items: the queue is there all the same. */
	return status || push->queue ? status : push_items(push, items, 0);
}

static enum exit_status push_parts(struct push *push)
{
	struct input input = {.bytes = malloc(INPUT_BYTES),
			      .delimiter = push->ctl->options & OPTION_LINES ? '\n' : 0};
	struct dso_queue_item *items = calloc(BATCH, sizeof *items);
	enum exit_status status;

	push->is_stream = true;
	status = input.bytes && items ? push_stream(push, &input, items)
				      : fail_because("out of memory for stdin");
	free(items);
	free(input.bytes);
	return status;
}

enum exit_status run_queue_push(struct dsoctl *ctl)
{
	unsigned ends = OPTION_LINES | OPTION_NULL;
	struct push push = {.ctl = ctl};
	enum exit_status status;

	if ((ctl->options & ends) == ends)
		return wrong_usage(ctl, "--lines or --null, not both");
	if (ctl->options & ends && ctl->operand_count > 1)
		return wrong_usage(ctl, "--lines and --null are for items of stdin, not for ITEM");
	if (ctl->operand_count > 1)
		status = push_operands(&push);
	else
		status = ctl->options & ends ? push_parts(&push) : push_input(&push);
	if (status)
		return status;
	return print_done(ctl, json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
					 "pushed", (json_int_t)push.pushed));
}
