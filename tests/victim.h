/* SPDX-License-Identifier: Apache-2.0 */
/* A process with a session that holds something, for a test to end in one way or another. It is a
 * program of its own: rdma-core serves no child of a process that uses it. */
#ifndef TESTS_VICTIM_H
#define TESTS_VICTIM_H

#include <dso/dso.h>
#include <stdbool.h>
#include <sys/types.h>

struct self;

struct victim {
	struct self *self; /* NULL but for one in this process */
	pid_t pid;
	int orders; /* one byte each, see victim_main; closed: go on to wait for ever */
	int words;  /* one byte for each thing done */
};

/* The first thing that main does: be a victim, where the arguments say so. Returns false where they
 * do not. */
bool victim_main(int argc, char **argv, int *ret_status);

/* Start one that has locked the mutex @name over @transport. It asked for @linger. */
struct victim victim_start(const char *url, const char *transport, const char *name,
			   int64_t linger);
/* The same in this process, whose end it does not outlive: of an embedded store. Close takes the
 * place of kill. */
struct victim victim_here(const char *url, const char *name);
/* Have it do what @order says (a letter of the table in victim.c), and return when it is done. */
void victim_order(const struct victim *victim, char order);
/* Kill it, and reap it. */
void victim_kill(struct victim *victim);

#endif
