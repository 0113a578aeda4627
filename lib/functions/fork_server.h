/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork server: a process of the program that stands in dso_function_main(), and forks each worker
 * of "process:?cold". exec and the dynamic linker are most of what a process costs to start; they
 * run once. (The same idea: start method "forkserver" of Python's multiprocessing.)
 *
 * Workers are children of the server and end with it. The driver finds them by their numbers, which
 * stay theirs until the driver has the server reap them, or the server ends.
 */
#ifndef LIB_FUNCTIONS_FORK_SERVER_H
#define LIB_FUNCTIONS_FORK_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

/* In the environment of a server: the descriptor of its end of the channel. */
#define FORK_SERVER_VARIABLE "DSO_WORKER_FORKS"

/* Make the two ends of a channel, [0] for the driver; neither is inherited through exec by itself.
 * Returns 0 or a negative errno. */
int fork_server_channel(int ret_fds[2]);

/* ---- the server ---- */

/* Serve the driver at @fd, which is closed in workers. Returns in each worker; the server ends
 * here, when the driver has closed its end or shut it down for writing; workers that have ended are
 * reaped before. */
void fork_server_serve(int fd);

/* ---- the driver; @fd is its end; none of these blocks ---- */

/* Ask for a worker. Returns whether that was sent: the channel holds some hundreds of requests. A
 * server that has ended answers nothing; fork_server_take() says so. */
bool fork_server_ask(int fd);

/* Have those workers reaped, which have ended. Returns for how many, the first ones, that was
 * sent. The others are reaped when the server ends, at the latest. */
unsigned fork_server_reap(int fd, const pid_t *pids, unsigned count);

/*
 * Take an answer: *ret_pid. Returns 0; -EAGAIN: there is none yet; -EPIPE: the server has ended,
 * and its workers end too; -EOPNOTSUPP: it could not fork, or the program has begun threads before
 * main(), of which a worker would have none.
 */
int fork_server_take(int fd, pid_t *ret_pid);

#endif
