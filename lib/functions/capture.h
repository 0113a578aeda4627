/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What functions write to standard output and standard error, in a worker process whose driver asks
 * for it. Both lead into pipes from then on; a thread, with a session of its own, reads these and
 * puts each line among the results, so that the lines of a call come before its outcome.
 */
#ifndef LIB_FUNCTIONS_CAPTURE_H
#define LIB_FUNCTIONS_CAPTURE_H

#include "lib/functions/message.h"

struct capture;

/* At most one in a process. @url and @prefix are copied. Returns 0, -EMFILE, -EAGAIN (this process
 * gets no more threads), -ENOMEM. */
int capture_start(const char *url, const char *prefix, struct capture **ret_capture);

/* Standard output and error are what they were. NULL does nothing. */
void capture_stop(struct capture *capture);

/* What is written from now on is of the call @number, of the function @name, which stays. */
void capture_begin(struct capture *capture, uint64_t number, const char *name);

/* What was written is on its way to the driver, a line without an end as well. Any thread may call
 * it; what stdio still keeps it leaves there. */
void capture_drain(struct capture *capture);

#endif
