/* SPDX-License-Identifier: Apache-2.0 */
/* Random schedules of everything; ENGINE_TEST_SEED repeats one. */
#include "lib/io/engine_test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIPES            6
#define PIPE_BYTES       200000
#define PIPE_CHUNK_BYTES 30000

/* One direction of a link: what was sent must be what came, in order. */
struct pipe {
	struct io_stream *from;
	struct io_stream *to;
	uint64_t sent_state;
	uint64_t received_state;
	size_t sent_bytes;
	size_t received_bytes;
	uint8_t out[PIPE_CHUNK_BYTES];
	uint8_t in[PIPE_CHUNK_BYTES];
	uint8_t expected[PIPE_CHUNK_BYTES];
	bool cancelled; /* a receive was asked to end */
};

static struct pipe pipes[2 * PIPES];
static unsigned long seed;

static uint32_t pick(uint64_t *state, uint32_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*state >> 33) % below);
}

static void random_step(struct pipe *pipe, uint64_t *state)
{
	size_t left = PIPE_BYTES - pipe->sent_bytes;

	if (left > 0 && !(pipe->from->pending & 1 << IO_SEND) && pick(state, 2)) {
		size_t bytes = 1 + pick(state, PIPE_CHUNK_BYTES);

		bytes = bytes < left ? bytes : left;
		fill_random(pipe->out, bytes, &pipe->sent_state);
		pipe->sent_bytes += bytes;
		ops->send(engine, pipe->from, pipe->out, bytes);
	}
	if (!(pipe->to->pending & 1 << IO_RECV) && pick(state, 2))
		ops->recv(engine, pipe->to, pipe->in, 1 + pick(state, PIPE_CHUNK_BYTES));
	/* Only what does not send can be cancelled without loss. */
	if (pipe->to->pending == 1 << IO_RECV && pick(state, 8) == 0) {
		pipe->cancelled = true;
		ops->cancel(engine, pipe->to);
	}
}

static void random_event(const struct io_event *event)
{
	for (unsigned i = 0; i < 2 * PIPES; i++) {
		struct pipe *pipe = &pipes[i];

		if (event->kind == IO_SEND && pipe->from == event->stream)
			ck_assert_msg(event->result == 0, "seed %lu: send %d", seed, event->result);
		if (event->kind != IO_RECV || pipe->to != event->stream)
			continue;
		if (pipe->cancelled && event->result == -ECANCELED) {
			pipe->cancelled = false;
			continue;
		}
		ck_assert_msg(event->result > 0, "seed %lu: receive %d", seed, event->result);
		pipe->cancelled = false;
		fill_random(pipe->expected, (size_t)event->result, &pipe->received_state);
		ck_assert_msg(memcmp(pipe->in, pipe->expected, (size_t)event->result) == 0,
			      "seed %lu: other bytes in pipe %u after %zu", seed, i,
			      pipe->received_bytes);
		pipe->received_bytes += (size_t)event->result;
	}
}

static bool all_received(void)
{
	for (unsigned i = 0; i < 2 * PIPES; i++)
		if (pipes[i].received_bytes < PIPE_BYTES)
			return false;
	return true;
}

static void random_run(void)
{
	static struct link links[PIPES];
	uint64_t state = seed;
	int64_t deadline_ns = clock_now_ns() + 2 * HANG_TIMEOUT_NS;

	open_engine(2 * PIPES);
	memset(pipes, 0, sizeof pipes);
	for (unsigned i = 0; i < PIPES; i++) {
		int small = 4096;

		(i % 2 ? link_unix : link_tcp)(&links[i]);
		for (int end = 0; end < 2; end++) {
			if (pick(&state, 2))
				setsockopt(links[i].end[end].fd, SOL_SOCKET, SO_SNDBUF, &small,
					   sizeof small);
			pipes[2 * i + end].from = &links[i].end[end];
			pipes[2 * i + end].to = &links[i].end[1 - end];
			pipes[2 * i + end].sent_state = seed + 2 * i + end;
			pipes[2 * i + end].received_state = seed + 2 * i + end;
		}
	}
	while (!all_received()) {
		struct io_event events[16];
		int count;

		for (uint32_t steps = pick(&state, 8); steps > 0; steps--)
			random_step(&pipes[pick(&state, 2 * PIPES)], &state);
		count = ops->wait(engine, events, 1 + pick(&state, 16),
				  pick(&state, 4) ? 0 : pick(&state, 50000));
		ck_assert_msg(count >= 0, "seed %lu: wait %d", seed, count);
		for (int i = 0; i < count; i++)
			random_event(&events[i]);
		ck_assert_msg(clock_now_ns() < deadline_ns, "seed %lu: stuck", seed);
	}
	ops->close(engine);
	for (unsigned i = 0; i < PIPES; i++) {
		close(links[i].end[0].fd);
		close(links[i].end[1].fd);
	}
}

START_TEST(random_schedules_deliver_every_byte_in_order)
{
	const char *given = getenv("ENGINE_TEST_SEED");
	unsigned long first = given ? strtoul(given, NULL, 0) : (unsigned long)clock_now_ns();

	for (seed = first; seed < first + (given ? 1 : 10); seed++)
		random_run();
}
END_TEST

void add_random_tests(TCase *tests)
{
	tcase_add_test(tests, random_schedules_deliver_every_byte_in_order);
}
