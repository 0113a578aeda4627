/* SPDX-License-Identifier: Apache-2.0 */
/* The far side of an executor: takes calls, runs them, and puts results back. */
#ifndef LIB_FUNCTIONS_WORKER_H
#define LIB_FUNCTIONS_WORKER_H

/* In the environment of a worker: the prefix of its executor, and the driver's process. */
#define WORKER_PREFIX_VARIABLE "DSO_WORKER"
#define WORKER_DRIVER_VARIABLE "DSO_WORKER_DRIVER"

/*
 * Serve the executor of @prefix until it is closed, in a session of the calling thread's own with
 * the storaged at @url. Returns 0, or a negative errno with the sentence in @why (of
 * @why_bytes).
 */
int worker_serve(const char *url, const char *prefix, char *why, unsigned why_bytes);

#endif
