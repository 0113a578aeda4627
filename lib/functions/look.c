/* SPDX-License-Identifier: Apache-2.0 */
/* What others see of an executor, and a call that they end: by its state in the store. */
#include "lib/client/session.h"
#include "lib/functions/lines.h"
#include "lib/functions/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t age_of(le64_t then_ns)
{
	struct timespec now;
	int64_t age_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	age_ns = now.tv_sec * DSO_SECOND + now.tv_nsec - (int64_t)le64_get(then_ns);
	/* Another host's clock may be ahead. */
	return age_ns > 0 ? age_ns : 0;
}

/* Of what another process wrote: it may lack its zero. */
static void copy_text(char *to, size_t to_bytes, const uint8_t *text, size_t text_bytes)
{
	size_t length = strnlen((const char *)text, text_bytes);

	length = length < to_bytes ? length : to_bytes - 1;
	memcpy(to, text, length);
	to[length] = 0;
}

/* ---- executors ---- */

/* Their names, one after the other. */
struct names {
	char (*list)[PREFIX_BYTES_MAX];
	size_t count, room;
};

#define STATE_NAME "/state"

static int collect(const struct dso_stat *stat, void *context)
{
	struct names *names = context;
	size_t length = strlen(stat->name), end = strlen(STATE_NAME);

	if (stat->type != DSO_MEMORY || length <= end || length - end >= PREFIX_BYTES_MAX ||
	    strncmp(stat->name, "run/", 4) != 0 ||
	    strcmp(stat->name + length - end, STATE_NAME) != 0)
		return 0;
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		void *wider = reallocarray(names->list, room, sizeof *names->list);

		if (!wider)
			return -ENOMEM;
		names->list = wider;
		names->room = room;
	}
	memcpy(names->list[names->count], stat->name, length - end);
	names->list[names->count++][length - end] = 0;
	return 0;
}

/* Were it gone meanwhile, the one that is made instead would go with the handle. */
static int count_queued(struct dso_session *session, const char *prefix, uint64_t *ret_queued)
{
	struct dso_queue_params params = {
		.capacity = MESSAGES_MAX, .item_bytes = MESSAGE_BYTES, .ephemeral = DSO_EPHEMERAL};
	struct dso_queue *queue;
	int r = dso_queue_open(session, name_of(prefix, "calls").text, &params, &queue);

	if (r)
		return r;
	r = dso_queue_length(queue, ret_queued);
	dso_queue_close(queue);
	return r;
}

static void describe(const struct state_header *header, uint64_t queued,
		     struct dso_executor_stat *ret_stat)
{
	uint64_t over = le64_get(header->counts.over), made = le64_get(header->counts.made);
	uint64_t failed = le64_get(header->counts.failed);
	uint64_t cancelled = le64_get(header->counts.cancelled);

	copy_text(ret_stat->kind, sizeof ret_stat->kind, header->kind, sizeof header->kind);
	copy_text(ret_stat->driver_host, sizeof ret_stat->driver_host, header->driver_host,
		  sizeof header->driver_host);
	ret_stat->driver_pid = le32_get(header->driver_pid);
	ret_stat->workers = le32_get(header->workers);
	ret_stat->age = age_of(header->opened_ns);
	ret_stat->queued = queued;
	ret_stat->running = made > over + queued ? made - over - queued : 0;
	ret_stat->done = over > failed + cancelled ? over - failed - cancelled : 0;
	ret_stat->failed = failed;
	ret_stat->cancelled = cancelled;
	ret_stat->retried = le64_get(header->counts.retried);
}

static int read_executor(struct dso_session *session, const char *prefix,
			 struct dso_executor_stat *ret_stat)
{
	struct state_header header;
	struct state state;
	uint64_t queued = 0;
	int r = state_open(session, prefix, &state);

	if (r)
		return r;
	r = dso_memory_read(state.memory, 0, &header, sizeof header);
	state_close(&state);
	if (r == 0)
		r = count_queued(session, prefix, &queued);
	if (r)
		return r;
	*ret_stat = (struct dso_executor_stat){.driver_pid = 0};
	snprintf(ret_stat->name, sizeof ret_stat->name, "%s", prefix);
	describe(&header, queued, ret_stat);
	return 0;
}

int dso_executors(struct dso_session *session,
		  int (*each)(const struct dso_executor_stat *stat, void *context), void *context)
{
	struct names names = {.count = 0};
	int r = dso_list(session, collect, &names);

	for (size_t i = 0; i < names.count && r == 0; i++) {
		struct dso_executor_stat stat;
		int seen = read_executor(session, names.list[i], &stat);

		/* One that was closed meanwhile is none, nor is what only looks like one. */
		if (seen == 0)
			r = each(&stat, context);
		else if (seen != -ENOENT && seen != -ESTALE && seen != -EBADMSG && seen != -EINVAL)
			r = seen;
	}
	free(names.list);
	return r;
}

/* ---- calls ---- */

static int open_state(struct dso_session *session, const char *executor, struct state *ret_state)
{
	int r = executor && strlen(executor) < PREFIX_BYTES_MAX
			? state_open(session, executor, ret_state)
			: -ENOENT;

	return r == -ENOENT || r == -EBADMSG
		       ? session_fail(session, -ENOENT,
				      "there is no executor %s: it was closed, or has "
				      "ended with its driver, or is of another namespace",
				      executor ? executor : "(null)")
		       : r;
}

static bool shows_call(const struct state_row *row)
{
	return le64_get(row->owner) && le64_get(row->since_ns);
}

static struct dso_call_stat call_of(const struct state_row *row)
{
	struct dso_call_stat stat = {
		.number = le64_get(row->number),
		.attempt = le32_get(row->attempt),
		.worker_pid = le32_get(row->pid),
		.age = age_of(row->since_ns),
		.silence = age_of(row->written_ns),
	};

	copy_text(stat.worker_host, sizeof stat.worker_host, row->host, sizeof row->host);
	copy_text(stat.function, sizeof stat.function, row->function, sizeof row->function);
	return stat;
}

int dso_calls(struct dso_session *session, const char *executor,
	      int (*each)(const struct dso_call_stat *stat, void *context), void *context)
{
	struct state_row *rows;
	struct state state;
	int r = open_state(session, executor, &state);

	if (r)
		return r;
	rows = calloc(state.rows, sizeof *rows);
	r = rows ? dso_memory_read(state.memory, STATE_ROWS_OFFSET, rows, state.rows * sizeof *rows)
		 : session_fail(session, -ENOMEM, "out of memory for the calls of an executor");
	state_close(&state);
	for (uint32_t i = 0; i < state.rows && r == 0; i++) {
		struct dso_call_stat stat;

		if (!shows_call(&rows[i]))
			continue;
		stat = call_of(&rows[i]);
		r = each(&stat, context);
	}
	free(rows);
	return r;
}

int dso_call_end(struct dso_session *session, const char *executor, uint64_t number)
{
	struct state_header header;
	struct state state;
	int r = open_state(session, executor, &state);

	if (r)
		return r;
	r = dso_memory_read(state.memory, 0, &header, sizeof header);
	if (r == 0 && number >= le64_get(header.counts.made))
		r = session_fail(session, -ENOENT, "executor %s has made %llu calls, from 0 on",
				 executor, (unsigned long long)le64_get(header.counts.made));
	if (r == 0)
		r = state_end_call(&state, number, STATE_EVERY_ROUND);
	state_close(&state);
	return r;
}

int dso_call_output(struct dso_session *session, const char *executor, uint64_t number,
		    int (*each)(const struct dso_output_line *line, void *context), void *context)
{
	struct dso_memory *lines;
	struct state state;
	int r = open_state(session, executor, &state);

	if (r)
		return r;
	state_close(&state);
	r = lines_open(session, executor, &lines);
	if (r == -ENOENT || r == -EBADMSG)
		return session_fail(session, -ENOENT,
				    "executor %s keeps no lines: its driver asks for no lines of "
				    "its functions, or they run in threads",
				    executor);
	if (r)
		return r;
	r = lines_each(lines, number, each, context);
	dso_memory_close(lines);
	return r;
}
