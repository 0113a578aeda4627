/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/settings.h"
#include "tools/parse.h"

#include <argp.h>
#include <errno.h>
#include <string.h>

/* Not static, so that libc finds it. */
__attribute__((visibility("default"))) const char *argp_program_version =
	"dso-perf (dso-rdma) " DSO_VERSION;

enum {
	KEY_OP = 0x100,
	KEY_TRANSPORT,
	KEY_SIZE,
	KEY_DEPTH,
	KEY_SESSIONS,
	KEY_ROUNDS,
	KEY_WORDS,
	KEY_SECONDS,
	KEY_KEYS,
	KEY_WORKLOAD,
	KEY_UNIFORM,
	KEY_POLL,
	KEY_SERVER_POLL,
	KEY_IO,
	KEY_URL,
	KEY_JSON,
	KEY_NO_BASELINE,
	KEY_BASELINE_ADDRESS,
};

static const struct argp_option options[] = {
	{"op", KEY_OP, "NAME", 0, "read, write, cas or faa (faa)", 0},
	{"size", KEY_SIZE, "BYTES", 0,
	 "bytes of a read or write, as in 64 or 4KiB (8), of a queue's item (64), of a "
	 "map's value (1000), of an entry's (100); allreduce: elements of a vector (2500)",
	 0},
	{"words", KEY_WORDS, "N", 0, "places that operations go to in turn (1)", 0},
	{"depth", KEY_DEPTH, "N", 0, "rate: operations outstanding in a session, to 1024 (64)", 0},
	{"sessions", KEY_SESSIONS, "N", 0,
	 "threads, each with a session: rate (1), lock (32), queue (8), barrier (1000), "
	 "allreduce (2), map (4)",
	 0},
	{"rounds", KEY_ROUNDS, "N", 0, "barrier, allreduce: how often all sessions do it (100)", 0},
	{"workload", KEY_WORKLOAD, "LETTER", 0, "map: A, B, C, D or F of YCSB's core workloads (A)",
	 0},
	{"keys", KEY_KEYS, "N", 0, "map: entries that it is loaded with (100000)", 0},
	{"uniform", KEY_UNIFORM, NULL, 0, "map: all keys are as popular; else zipfian, 0.99", 0},
	{"seconds", KEY_SECONDS, "S", 0,
	 "lat, rate, lock, queue, map, entry, call: how long to measure, with the baseline (3)", 0},
	{"transport", KEY_TRANSPORT, "NAME", 0, "auto, shm, verbs, roce, tcp or embedded (auto)",
	 0},
	{"poll", KEY_POLL, "HOW", 0, "how to wait: busy, block or adaptive (adaptive)", 0},
	{"server-poll", KEY_SERVER_POLL, "HOW", 0,
	 "how storaged and the baseline's other end wait (as "
	 "--poll)",
	 0},
	{"io", KEY_IO, "NAME", 0, "transport tcp, on both sides: auto, io_uring or poll (auto)", 0},
	{"url", KEY_URL, "URL", 0, "measure this storaged; without it one is started for the run",
	 0},
	{"json", KEY_JSON, NULL, 0, "print one JSON object", 0},
	{"no-baseline", KEY_NO_BASELINE, NULL, 0, "leave the bare TCP ping-pong out", 0},
	{"baseline-address", KEY_BASELINE_ADDRESS, "IP[:PORT]", 0,
	 "the address of this host that the baseline goes over (127.0.0.1); with a port, the "
	 "address of a dso-perf echo on another host",
	 0},
	{0},
};

static const char doc[] =
	"Measure one-sided operations. lat runs one operation at a time, for its latency. rate "
	"keeps --depth of them under way, for their number a second. A bare TCP ping-pong of "
	"the same size is measured beside them, in the same run. lock measures a mutex: alone, "
	"handed over to a waiter, and contended by 2 and by all --sessions, beside one "
	"fetch-and-add and one round trip of the control connection. barrier measures how "
	"--sessions cross a barrier. queue measures a push and a pop of --size bytes (64), "
	"alone, 32 at once, to a consumer that is parked, and with half of --sessions at each "
	"end. allreduce measures how --sessions sum up vectors of --size doubles (2500). map "
	"loads --keys values of --size bytes (1000) and runs one of YCSB's workloads on them. "
	"entry measures a get and a put of a value of --size bytes (100) by a handle that has "
	"not seen the entry and by one that has, beside a READ of as many bytes. call measures "
	"a call of a function that does nothing, from its creation to its join, by a worker "
	"that waits for it and by one that is started for it, beside a hand-over to a parked "
	"waiter and beside a process that does nothing. echo is the other end of that "
	"ping-pong, for a run on another host. hostile shows what a bystander notices of loads; "
	"started without arguments, it names them."
	"\v"
	"Latencies are round trips by the monotonic clock. lat alternates between the operation "
	"and the baseline in rounds of 50 ms, and keeps the side asleep that is not measured. "
	"Operations faster than 1 us are timed in batches: a sample is the mean of its batch, "
	"whose size is printed. rate takes the latency of every 16th operation, from the "
	"submission of its batch to its completion. Every result is checked: after FAA and CAS "
	"the words hold exactly as many additions as were made. Ctrl-C ends the run and prints "
	"what was measured.\n"
	"\n"
	"Columns: #bytes of an operation, #iterations (samples of lat, completed operations of "
	"rate), "
	"then microseconds; t_typical is the median.\n"
	"\n"
	"Exit status:\n"
	"  0  measured\n"
	"  1  it failed, or a result was wrong\n"
	"  2  the command line is wrong\n"
	"\n"
	"Environment:\n"
	"  STORAGED                    the storaged to start; by default the one that\n"
	"                              was installed or built with dso-perf\n"
	"  DSO_TIMEOUT_MS, DSO_DEVICE  as for every program of libdso-rdma\n"
	"\n"
	"Examples:\n"
	"  $ dso-perf lat --op faa --transport tcp --poll busy\n"
	"  $ dso-perf rate --op faa --transport tcp --depth 64 --json\n"
	"  $ dso-perf lock --transport tcp --sessions 32\n"
	"  $ dso-perf barrier --transport shm --sessions 1000\n"
	"  $ dso-perf queue --transport tcp --poll busy\n"
	"  $ dso-perf allreduce --transport tcp --sessions 8 --rounds 1000\n"
	"  $ dso-perf map --transport shm --workload B --sessions 2\n"
	"  $ dso-perf entry --transport tcp --size 16 --poll busy\n"
	"  $ dso-perf call --transport tcp --seconds 10\n"
	"  $ dso-perf lat --op read --size 4KiB --url dso://store:7471\n"
	"  store$ dso-perf echo --baseline-address 10.0.0.5:7400\n"
	"  $ dso-perf lat --url dso://10.0.0.5 --baseline-address 10.0.0.5:7400\n";

static const char *const poll_names[] = {
	[POLL_ADAPTIVE] = "adaptive", [POLL_BUSY] = "busy", [POLL_BLOCK] = "block"};

const char *poll_name(enum poll_policy poll)
{
	return poll_names[poll];
}

struct parsing {
	struct settings *settings;
	bool have_mode, have_server_poll, no_baseline, have_size, have_depth, have_sessions;
};

static void take_number(struct argp_state *state, const char *option, const char *text,
			uint64_t max, uint64_t *ret_value)
{
	if (parse_number(text, 1, max, ret_value))
		argp_error(state, "--%s %s is no number from 1 to %ju", option, text,
			   (uintmax_t)max);
}

static void take_poll(struct argp_state *state, const char *text, enum poll_policy *ret_poll)
{
	for (unsigned i = 0; i < sizeof poll_names / sizeof *poll_names; i++) {
		if (!strcmp(text, poll_names[i])) {
			*ret_poll = i;
			return;
		}
	}
	argp_error(state, "%s is none of busy, block, adaptive", text);
}

/* @text, which must be among @names (ends with NULL). */
static const char *one_of(struct argp_state *state, const char *text, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(text, *names))
			return *names;
	argp_error(state, "there is no %s to choose", text);
	return NULL;
}

static void take_mode(struct argp_state *state, const char *text, struct parsing *parsing)
{
	static const char *const modes[] = {
		[MODE_LAT] = "lat",         [MODE_RATE] = "rate",   [MODE_LOCK] = "lock",
		[MODE_BARRIER] = "barrier", [MODE_QUEUE] = "queue", [MODE_ALLREDUCE] = "allreduce",
		[MODE_MAP] = "map",         [MODE_ENTRY] = "entry", [MODE_CALL] = "call",
		[MODE_ECHO] = "echo"};

	if (parsing->have_mode)
		argp_error(state, "one of lat, rate, lock, barrier, queue, allreduce, map, entry, "
				  "call and echo at a time");
	for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(text, modes[i]))
			continue;
		parsing->settings->mode = (enum mode)i;
		parsing->have_mode = true;
	}
	if (!parsing->have_mode)
		argp_error(state,
			   "%s is none of lat, rate, lock, barrier, queue, allreduce, map, entry, "
			   "call and "
			   "echo",
			   text);
}

/* What --size is of an object. */
static const struct size {
	uint64_t otherwise, max; /* 0: it has none */
	const char *what;
} sizes[] = {
	[MODE_QUEUE] = {64, DSO_QUEUE_ITEM_BYTES_MAX, "bytes of an item"},
	[MODE_MAP] = {1000, DSO_MAP_VALUE_BYTES_MAX, "bytes of a value"},
	[MODE_ENTRY] = {100, DSO_SUBMIT_BYTES_MAX, "bytes of a value"},
	[MODE_ALLREDUCE] = {2500, ELEMENTS_MAX, "elements of a vector"},
	[MODE_CALL] = {0, 0, NULL},
};

static uint64_t size_of_object(struct argp_state *state, const struct parsing *parsing)
{
	const struct settings *settings = parsing->settings;
	const struct size *size = &sizes[settings->mode];

	if (!parsing->have_size)
		return size->otherwise;
	if (size->max == 0)
		argp_error(state, "--size belongs to lat, rate, queue, map, entry and allreduce");
	if (settings->size_bytes > size->max)
		argp_error(state, "--size: %ju %s at most", (uintmax_t)size->max, size->what);
	return settings->size_bytes;
}

/* These have operations and words of their own. */
static void check_objects(struct argp_state *state, struct parsing *parsing)
{
	static const unsigned sessions[] = {
		[MODE_LOCK] = 32, [MODE_QUEUE] = 8, [MODE_ALLREDUCE] = 2, [MODE_BARRIER] = 1000,
		[MODE_MAP] = 4,   [MODE_ENTRY] = 1, [MODE_CALL] = 2};
	struct settings *settings = parsing->settings;
	uint64_t *size =
		settings->mode == MODE_ALLREDUCE ? &settings->elements : &settings->item_bytes;

	*size = size_of_object(state, parsing);
	/* The words that it is compared with. */
	settings->size_bytes = 8;
	if (parsing->have_depth || settings->words != 1)
		argp_error(state, "--depth belongs to rate, and --words to lat and rate");
	if (parsing->have_sessions && settings->mode == MODE_CALL)
		argp_error(state, "call has a driver and a worker, and takes no --sessions");
	if (!parsing->have_sessions)
		settings->sessions = sessions[settings->mode];
	if (settings->mode == MODE_ENTRY && settings->sessions != 1)
		argp_error(state, "entry has 1 session");
	if (settings->sessions < 2 && settings->mode != MODE_MAP && settings->mode != MODE_ENTRY)
		argp_error(state, "lock, queue, allreduce and barrier take 2 --sessions or more");
	settings->words = 2;
	parsing->no_baseline = true;
}

static void check_together(struct argp_state *state, struct parsing *parsing)
{
	struct settings *settings = parsing->settings;
	bool lat = settings->mode == MODE_LAT;
	bool objects = settings->mode == MODE_LOCK || settings->mode == MODE_BARRIER ||
		       settings->mode == MODE_QUEUE || settings->mode == MODE_ALLREDUCE ||
		       settings->mode == MODE_MAP || settings->mode == MODE_ENTRY ||
		       settings->mode == MODE_CALL;

	if (!parsing->have_mode)
		argp_error(
			state,
			"lat, rate, lock, barrier, queue, allreduce, map, entry, call or echo is "
			"missing");
	if (lat && (parsing->have_depth || parsing->have_sessions))
		argp_error(state, "--depth and --sessions belong to rate: lat has 1 of each");
	if (lat || objects)
		settings->depth = 1;
	if (objects)
		check_objects(state, parsing);
	if (opcode_is_atomic(settings->opcode) && settings->size_bytes != 8)
		argp_error(state, "--op %s always has 8 bytes", opcode_names[settings->opcode]);
	if (!lat && settings->size_bytes > DSO_SUBMIT_BYTES_MAX)
		argp_error(state, "rate takes a --size of at most %d", DSO_SUBMIT_BYTES_MAX);
	if (settings->words * settings->size_bytes > MEMORY_BYTES_MAX / 8)
		argp_error(state, "--words of that --size are more than %ju MiB",
			   (uintmax_t)MEMORY_BYTES_MAX >> 23);
	if (settings->depth * settings->sessions * settings->size_bytes > MEMORY_BYTES_MAX)
		argp_error(state, "--depth times --sessions times --size is more than %ju MiB",
			   (uintmax_t)MEMORY_BYTES_MAX >> 20);
	if (settings->url && !strcmp(settings->transport, "embedded"))
		argp_error(state,
			   "--transport embedded has no --url: the store is in this process");
	if (!parsing->have_server_poll)
		settings->server_poll = settings->poll;
	if (parsing->no_baseline)
		settings->baseline_address = NULL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	static const char *const transports[] = {"auto", "shm", REMOTE_TRANSPORTS, "embedded",
						 NULL};
	static const char *const ios[] = {"auto", "io_uring", "poll", NULL};
	struct parsing *parsing = state->input;
	struct settings *settings = parsing->settings;

	switch (key) {
	case KEY_OP:
		settings->opcode = opcode_find(argument);
		if (settings->opcode == OPCODES)
			argp_error(state, "--op %s is none of read, write, cas, faa", argument);
		return 0;
	case KEY_TRANSPORT:
		settings->transport = one_of(state, argument, transports);
		return 0;
	case KEY_SIZE:
		if (parse_size(argument, 1, SIZE_BYTES_MAX, &settings->size_bytes))
			argp_error(state, "--size %s is no size from 1 to 16MiB", argument);
		parsing->have_size = true;
		return 0;
	case KEY_DEPTH:
		take_number(state, "depth", argument, DEPTH_MAX, &settings->depth);
		parsing->have_depth = true;
		return 0;
	case KEY_SESSIONS:
		take_number(state, "sessions", argument, SESSIONS_MAX, &settings->sessions);
		parsing->have_sessions = true;
		return 0;
	case KEY_ROUNDS:
		take_number(state, "rounds", argument, ROUNDS_MAX, &settings->rounds);
		return 0;
	case KEY_WORDS:
		take_number(state, "words", argument, WORDS_MAX, &settings->words);
		return 0;
	case KEY_KEYS:
		take_number(state, "keys", argument, KEYS_MAX, &settings->keys);
		return 0;
	case KEY_WORKLOAD:
		if (!strchr("ABCDF", *argument) || strlen(argument) != 1)
			argp_error(state, "--workload %s is none of A, B, C, D, F", argument);
		settings->workload = *argument;
		return 0;
	case KEY_UNIFORM:
		settings->is_uniform = true;
		return 0;
	case KEY_SECONDS:
		if (parse_duration(argument, DSO_SECOND, &settings->duration_ns))
			argp_error(state, "--seconds %s is no time up to an hour", argument);
		return 0;
	case KEY_POLL:
		take_poll(state, argument, &settings->poll);
		return 0;
	case KEY_SERVER_POLL:
		take_poll(state, argument, &settings->server_poll);
		parsing->have_server_poll = true;
		return 0;
	case KEY_IO:
		settings->io = one_of(state, argument, ios);
		return 0;
	case KEY_URL:
		settings->url = argument;
		return 0;
	case KEY_JSON:
		settings->json = true;
		return 0;
	case KEY_NO_BASELINE:
		parsing->no_baseline = true;
		return 0;
	case KEY_BASELINE_ADDRESS:
		settings->baseline_address = argument;
		return 0;
	case ARGP_KEY_ARG:
		take_mode(state, argument, parsing);
		return 0;
	case ARGP_KEY_SUCCESS:
		check_together(state, parsing);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

void settings_parse(int argc, char **argv, struct settings *ret_settings)
{
	static const struct argp argp = {
		options, parse_option, "lat|rate|lock|barrier|queue|allreduce|map|entry|call|echo",
		doc,     NULL,         NULL,
		NULL};
	struct parsing parsing = {.settings = ret_settings};

	*ret_settings = (struct settings){
		.opcode = OPCODE_FAA,
		.transport = "auto",
		.io = "auto",
		.size_bytes = 8,
		.depth = 64,
		.sessions = 1,
		.words = 1,
		.rounds = 100,
		.keys = 100000,
		.workload = 'A',
		.duration_ns = 3 * DSO_SECOND,
		.baseline_address = "127.0.0.1",
	};
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &parsing);
}
