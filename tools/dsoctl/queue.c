/* SPDX-License-Identifier: Apache-2.0 */
/* Queues, apart from push, which is in queue_push.c. */
#include "tools/dsoctl/child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BATCH 32 /* items that are taken before they are written */

/* Open an existing queue: a consumer of a misspelt one would wait for ever. */
static enum exit_status open_queue(struct dsoctl *ctl, struct dso_queue **ret_queue)
{
	int r = dso_object_stat(ctl->session, ctl->operands[0], NULL);

	if (r == -ENOENT)
		return fail_missing(ctl, "queue", "dsoctl queue open NAME");
	if (r == 0)
		r = dso_queue_open(ctl->session, ctl->operands[0], NULL, ret_queue);
	return r ? fail(ctl, r) : STATUS_DONE;
}

/* ---- pop ---- */

static bool waits(const struct dsoctl *ctl)
{
	return ctl->options & (OPTION_WAIT | OPTION_TIMEOUT);
}

static int64_t wait_for_item(const struct dsoctl *ctl)
{
	return waits(ctl) ? time_left(ctl) : DSO_NOWAIT;
}

static enum exit_status fail_pop(const struct dsoctl *ctl, int error)
{
	if (error == -EPIPE) {
		fail_because("queue %s is shut down and empty: no item comes any more",
			     ctl->operands[0]);
		return STATUS_ENDED;
	}
	if (error == -ETIMEDOUT && !waits(ctl)) {
		fail_because("queue %s is empty; --wait waits for an item", ctl->operands[0]);
		return STATUS_TIMED_OUT;
	}
	return fail_wait(ctl, error);
}

static enum exit_status write_item(const struct dsoctl *ctl, const struct dso_queue_item *item)
{
	enum exit_status status;
	json_t *object;

	if (ctl->json) {
		object = json_pack("{s:o}", "name", json_text(ctl->operands[0]));
		json_set_bytes(object, item->bytes, item->length_bytes);
		json_object_set_new(object, "deliveries", json_integer(item->deliveries));
		return print_json(object);
	}
	status = write_bytes(item->bytes, item->length_bytes);
	if (status == STATUS_DONE && ctl->options & (OPTION_LINES | OPTION_NULL))
		status = write_bytes((const uint8_t *)(ctl->options & OPTION_LINES ? "\n" : ""), 1);
	return status;
}

/* Those of a batch leave dsoctl before the next batch is taken. */
static enum exit_status write_items(const struct dsoctl *ctl, const struct dso_queue_item *items,
				    size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (write_item(ctl, &items[i]))
			return STATUS_FAILED;
	if (fflush(stdout))
		return fail_because("cannot write to stdout: %s", strerror(errno));
	return STATUS_DONE;
}

/* Wait for an item, and take up to @left that are there with it, a batch at a time. */
static enum exit_status pop_items(struct dsoctl *ctl, struct dso_queue *queue,
				  struct dso_queue_item items[BATCH], uint64_t left)
{
	int64_t timeout = wait_for_item(ctl);
	enum exit_status status;
	uint64_t written = 0;
	size_t count;
	int r;

	do {
		r = dso_queue_pop_many(queue, items, left < BATCH ? left : BATCH, timeout, &count);
		status = write_items(ctl, items, count);
		written += count;
		left -= count;
		if (left && r == 0)
			timeout = DSO_NOWAIT;
	} while (r == 0 && status == STATUS_DONE && left);
	if (status || r == 0 || (written && (r == -ETIMEDOUT || r == -EPIPE)))
		return status;
	return fail_pop(ctl, r);
}

static enum exit_status pop(struct dsoctl *ctl, struct dso_queue *queue)
{
	size_t room = dso_queue_item_bytes(queue);
	struct dso_queue_item items[BATCH] = {0};
	uint8_t *buffer = malloc(BATCH * room);
	enum exit_status status;
	uint64_t left = 1;

	if (!buffer)
		return fail_because("out of memory for %d items of %zu bytes", BATCH, room);
	for (unsigned i = 0; i < BATCH; i++) {
		items[i].bytes = buffer + i * room;
		items[i].bytes_max = room;
	}
	if (ctl->options & OPTION_ALL)
		left = UINT64_MAX;
	else if (ctl->options & OPTION_COUNT)
		left = ctl->count;
	status = pop_items(ctl, queue, items, left);
	free(buffer);
	return status;
}

/* ---- pop --lease ---- */

/* Wait for an item, unless a signal comes: then STATUS_FAILED, and nothing is leased. */
static enum exit_status lease(struct dsoctl *ctl, struct dso_queue *queue,
			      struct dso_queue_item *item)
{
	struct wait wait;
	int r = wait_begin(&wait, ctl);

	if (r)
		return fail_because("out of threads");
	r = dso_queue_lease(queue, item, wait_for_item(ctl));
	if (wait_end(&wait, ctl)) {
		if (r == 0)
			dso_queue_give_back(queue, item->ticket);
		return STATUS_FAILED;
	}
	return r ? fail_pop(ctl, r) : STATUS_DONE;
}

/* Make the item dsoctl's standard input, which the command inherits. It is a file, so that the
 * command may leave it unread. */
static int hand_over(const struct dso_queue_item *item)
{
	int file = memfd_create("item", MFD_CLOEXEC), r = 0;
	size_t done = 0;

	if (file < 0)
		return -errno;
	while (r == 0 && done < item->length_bytes) {
		ssize_t n = write(file, (uint8_t *)item->bytes + done, item->length_bytes - done);

		if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (r == 0 && (lseek(file, 0, SEEK_SET) < 0 || dup2(file, STDIN_FILENO) < 0))
		r = -errno;
	close(file);
	return r;
}

/* What the command learns of the item, by its environment. */
static int tell(const struct dso_queue_item *item)
{
	char digits[16];

	snprintf(digits, sizeof digits, "%u", item->deliveries);
	return setenv("DSO_QUEUE_DELIVERIES", digits, 1) ? -errno : 0;
}

static enum exit_status run_with(struct dsoctl *ctl, struct dso_queue *queue,
				 const struct dso_queue_item *item)
{
	enum exit_status status;
	int r = tell(item);

	if (r == 0)
		r = hand_over(item);
	if (r) {
		dso_queue_give_back(queue, item->ticket);
		return fail_because("cannot hand the item to %s, it is given back: %s",
				    ctl->operands[1], strerror(-r));
	}
	if (command_run(ctl, ctl->operands + 1, &status))
		return STATUS_FAILED;
	r = status == STATUS_DONE ? dso_queue_acknowledge(queue, item->ticket)
				  : dso_queue_give_back(queue, item->ticket);
	if (r)
		return fail(ctl, r);
	return print_run(ctl, status, true,
			 json_pack("{s:o, s:I, s:I, s:b}", "name", json_text(ctl->operands[0]),
				   "length_bytes", (json_int_t)item->length_bytes, "deliveries",
				   (json_int_t)item->deliveries, "acknowledged",
				   status == STATUS_DONE));
}

static enum exit_status lease_and_run(struct dsoctl *ctl, struct dso_queue *queue)
{
	struct dso_queue_item item = {.bytes_max = dso_queue_item_bytes(queue)};
	enum exit_status status;

	item.bytes = malloc(item.bytes_max);
	if (!item.bytes)
		return fail_because("out of memory for an item of %zu bytes", item.bytes_max);
	status = lease(ctl, queue, &item);
	if (status == STATUS_DONE)
		status = run_with(ctl, queue, &item);
	free(item.bytes);
	return status;
}

static enum exit_status check_pop(const struct dsoctl *ctl)
{
	unsigned several = OPTION_COUNT | OPTION_ALL, ends = OPTION_LINES | OPTION_NULL;
	bool leases = ctl->options & OPTION_LEASE;

	if (leases && ctl->operand_count < 2)
		return wrong_usage(ctl, "--lease is for a command that works on the item");
	if (!leases && ctl->operand_count > 1)
		return wrong_usage(ctl, "a command works on an item with --lease");
	if (leases && ctl->options & (several | ends))
		return wrong_usage(ctl, "--lease is for one item, which the command gets as it is");
	if ((ctl->options & several) == several)
		return wrong_usage(ctl, "--count or --all, not both");
	if ((ctl->options & ends) == ends)
		return wrong_usage(ctl, "--lines or --null, not both");
	return STATUS_DONE;
}

enum exit_status run_queue_pop(struct dsoctl *ctl)
{
	struct dso_queue *queue;
	enum exit_status status = check_pop(ctl);

	if (status == STATUS_DONE)
		status = open_queue(ctl, &queue);
	if (status)
		return status;
	return ctl->options & OPTION_LEASE ? lease_and_run(ctl, queue) : pop(ctl, queue);
}

/* ---- without items ---- */

enum exit_status run_queue_open(struct dsoctl *ctl)
{
	struct dso_queue_params params = {.capacity = ctl->capacity,
					  .item_bytes = (uint32_t)ctl->item_bytes};
	struct dso_queue *queue;
	int r;

	if (ctl->options & OPTION_RENDEZVOUS)
		params.kind = DSO_QUEUE_RENDEZVOUS;
	r = dso_queue_open(ctl->session, ctl->operands[0], &params, &queue);

	if (r)
		return fail(ctl, r);
	return print_done(ctl, json_pack("{s:o, s:I, s:I}", "name", json_text(ctl->operands[0]),
					 "capacity", (json_int_t)dso_queue_capacity(queue),
					 "item_bytes", (json_int_t)dso_queue_item_bytes(queue)));
}

enum exit_status run_queue_length(struct dsoctl *ctl)
{
	struct dso_queue *queue;
	enum exit_status status = open_queue(ctl, &queue);
	uint64_t length;
	int r = status ? 0 : dso_queue_length(queue, &length);

	if (status)
		return status;
	if (r)
		return fail(ctl, r);
	if (ctl->json)
		return print_json(json_pack("{s:o, s:I}", "name", json_text(ctl->operands[0]),
					    "length", (json_int_t)length));
	printf("%ju\n", (uintmax_t)length);
	return STATUS_DONE;
}

enum exit_status run_queue_shutdown(struct dsoctl *ctl)
{
	struct dso_queue *queue;
	enum exit_status status = open_queue(ctl, &queue);
	int r = status ? 0 : dso_queue_shutdown(queue);

	if (status)
		return status;
	return r ? fail(ctl, r)
		 : print_done(ctl, json_pack("{s:o}", "name", json_text(ctl->operands[0])));
}

/* How many items of it sessions have leased. */
static int count_leased(struct dsoctl *ctl, uint64_t *ret_leased)
{
	const struct dso_hold *hold = NULL;
	struct holds holds;
	int r = holds_read(ctl, &holds);

	*ret_leased = 0;
	while (r == 0 && (hold = holds_next(&holds, ctl->operands[0], hold)))
		*ret_leased += hold->count;
	holds_free(&holds);
	return r;
}

enum exit_status run_queue_stat(struct dsoctl *ctl)
{
	struct dso_queue *queue;
	enum exit_status status = open_queue(ctl, &queue);
	uint64_t length, leased;
	json_t *object;
	int r;

	if (status)
		return status;
	r = dso_queue_length(queue, &length);
	if (r == 0)
		r = count_leased(ctl, &leased);
	if (r == -ENOMEM)
		return fail_because("out of memory for what is leased");
	if (r)
		return fail(ctl, r);
	object = json_pack("{s:o, s:I, s:I, s:I, s:I}", "name", json_text(ctl->operands[0]),
			   "capacity", (json_int_t)dso_queue_capacity(queue), "item_bytes",
			   (json_int_t)dso_queue_item_bytes(queue), "length", (json_int_t)length,
			   "leased", (json_int_t)leased);
	return ctl->json ? print_json(object) : print_members(object);
}
