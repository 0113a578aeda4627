/* SPDX-License-Identifier: Apache-2.0 */
/* A mailbox of the main thread, with its place in the loop. */
#ifndef STORAGED_PATHS_INBOX_H
#define STORAGED_PATHS_INBOX_H

#include "storaged/loop.h"
#include "storaged/paths/mailbox.h"

struct inbox {
	struct mailbox mailbox;
	struct source source;
	/* NULL: it is not open */
	struct loop *loop;
};

/* @ready is called when there is mail. Returns 0 or a negative errno; inbox_close is due either
 * way, and does nothing on one of zeroes. */
int inbox_open(struct inbox *inbox, struct loop *loop,
	       void (*ready)(struct source *source, uint32_t events));
void inbox_close(struct inbox *inbox);

#endif
