/* SPDX-License-Identifier: Apache-2.0 */
/* The far side of an executor: takes calls, runs them, and puts results back. */
#ifndef LIB_FUNCTIONS_WORKER_H
#define LIB_FUNCTIONS_WORKER_H

/* In the environment of a worker: the prefix of its executor, the driver's process, and an eventfd
 * that is written to when the worker serves. */
#define WORKER_PREFIX_VARIABLE "DSO_WORKER"
#define WORKER_DRIVER_VARIABLE "DSO_WORKER_DRIVER"
#define WORKER_READY_VARIABLE  "DSO_WORKER_READY"

/*
 * Serve the executor of @prefix until it is closed, in a session of the calling thread's own with
 * the storaged at @url. @ready_fd is written to and closed when it begins to serve; -1: there is
 * none. Returns 0, or a negative errno with the sentence in @why (of @why_bytes).
 */
int worker_serve(const char *url, const char *prefix, int ready_fd, char *why, unsigned why_bytes);

#endif
