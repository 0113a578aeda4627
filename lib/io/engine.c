/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/io/engine.h"

#include <errno.h>
#include <string.h>

int io_engine_open(const char *name, unsigned stream_count_max, struct io_engine **ret_engine)
{
	if (strcmp(name, "io_uring") == 0)
		return io_engine_uring.open(stream_count_max, ret_engine);
	if (strcmp(name, "poll") == 0)
		return io_engine_poll.open(stream_count_max, ret_engine);
	if (strcmp(name, "auto") != 0)
		return -EINVAL;
	/* Kernels, sandboxes and limits refuse io_uring with many different errors: try poll after
	 * any of them. */
	if (io_engine_uring.open(stream_count_max, ret_engine) == 0)
		return 0;
	return io_engine_poll.open(stream_count_max, ret_engine);
}
