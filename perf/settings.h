/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line asked for. */
#ifndef PERF_SETTINGS_H
#define PERF_SETTINGS_H

#include "perf/opcode.h"

#include <dso/dso.h>

#include <stdbool.h>
#include <stdint.h>

#define DEPTH_MAX      DSO_OUTSTANDING_MAX
#define SESSIONS_MAX   4096
#define ROUNDS_MAX     1000000
#define WORDS_MAX      1048576
#define SIZE_BYTES_MAX (16u << 20)
#define ELEMENTS_MAX   (2 << 20)
#define KEYS_MAX       10000000
/* Of the map of entry: it has been split some times. */
#define ENTRY_KEYS       4096
#define MEMORY_BYTES_MAX (UINT64_C(1) << 30)

enum mode {
	MODE_LAT,
	MODE_RATE,
	MODE_LOCK,
	MODE_BARRIER,
	MODE_QUEUE,
	MODE_ALLREDUCE,
	MODE_MAP,
	MODE_ENTRY,
	MODE_CALL,
	MODE_ECHO
};

/* How to wait; poll_name gives the library's word for it. */
enum poll_policy { POLL_ADAPTIVE, POLL_BUSY, POLL_BLOCK };

/* The transports that use an IP address; the others use a unix socket. */
#define REMOTE_TRANSPORTS "verbs", "roce", "tcp"

struct settings {
	enum mode mode;
	enum opcode opcode;
	const char *transport; /* "auto", "shm", "verbs", "roce", "tcp", "embedded" */
	const char *url;       /* NULL: a storaged of our own */
	const char *io;
	enum poll_policy poll, server_poll;
	uint64_t size_bytes, depth, sessions, words, rounds;
	uint64_t item_bytes; /* of a queue's, or of a map's values */
	uint64_t keys;       /* that a map is loaded with */
	char workload;       /* of a map: A, B, C, D or F */
	bool is_uniform;     /* each key as popular as the others */
	uint64_t elements;   /* of an aggregator's vectors */
	int64_t duration_ns;
	const char *baseline_address; /* IP, or IP:PORT of a dso-perf echo; NULL: no baseline */
	bool json;
};

/* Fill in the settings from the command line. Exits with status 2 where that is wrong. */
void settings_parse(int argc, char **argv, struct settings *ret_settings);

const char *poll_name(enum poll_policy poll);

#endif
