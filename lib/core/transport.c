/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/transport.h"

#include <errno.h>

/* Longer than any transport takes to give up by its own timeout. */
#define WAIT_NS DSO_SECOND

/* The first that failed says what became of all of them. But where others were executed before it
 * was not, it is not so that nothing was done. */
static int status_of_all(const struct op *ops, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (ops[i].status)
			return i && ops[i].status == -ENOTCONN ? -ECONNRESET : ops[i].status;
	return 0;
}

static int execute_at_once(struct transport *transport, struct op *ops, unsigned count)
{
	const struct transport_ops *table = transport_ops(transport);

	for (unsigned i = 0; i < count; i++)
		ops[i].status = table->execute(transport, &ops[i]);
	return status_of_all(ops, count);
}

int transport_execute(struct transport *transport, struct op *ops, unsigned count)
{
	const struct transport_ops *table = transport_ops(transport);
	unsigned submitted = 0;
	int r = 0;

	if (table->execute)
		return execute_at_once(transport, ops, count);

	while (submitted < count) {
		r = table->submit(transport, &ops[submitted]);
		if (r == 0)
			submitted++;
		else if (r != -EAGAIN || table->flush(transport) ||
			 table->progress(transport, WAIT_NS))
			break;
	}
	if (submitted > 0) {
		/* Operations complete in order: when the last one is complete all are. A broken
		 * transport completes them too, so this ends. The ops are in our caller's frame and
		 * must not be left in flight. */
		table->flush(transport);
		while (ops[submitted - 1].status == -EINPROGRESS)
			table->progress(transport, WAIT_NS);
	}
	for (unsigned i = submitted; i < count; i++)
		ops[i].status = -ENOTCONN;
	return status_of_all(ops, count);
}
