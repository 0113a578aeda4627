/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The baseline: a bare TCP ping-pong with messages as long as the operation's data. The other end
 * is a child process, over an address of this host, or a dso-perf echo on another host. It shows
 * what the network and the kernel cost with nothing on top.
 */
#ifndef PERF_BASELINE_H
#define PERF_BASELINE_H

#include "perf/histogram.h"
#include "perf/settings.h"

#include <sys/types.h>

struct baseline {
	pid_t pid;  /* of the child; 0: none */
	int socket; /* -1: there is no baseline */
	enum poll_policy poll;
	size_t message_bytes;
	uint8_t *message;
	struct histogram round_trips; /* ps */
};

/*
 * Start the child, unless there is a dso-perf echo, and connect. To be called while the process has
 * one thread. Returns 0, or a negative errno after saying why on stderr.
 */
int baseline_start(struct baseline *baseline, const struct settings *settings);

/*
 * Exchange messages until @until_ns of the clock; add round trips to baseline->round_trips. Between
 * two calls the child sleeps. Returns 0, or a negative errno after saying why on stderr.
 */
int baseline_round(struct baseline *baseline, int64_t until_ns);

/* Be the other end for every process that connects to IP[:PORT], one after the other, until a
 * signal. Returns 0, or a negative errno after saying why on stderr. */
int baseline_serve(const struct settings *settings);

/* End the child. Does nothing where there is none. */
void baseline_stop(struct baseline *baseline);

#endif
