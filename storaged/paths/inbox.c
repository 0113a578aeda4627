/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/inbox.h"

int inbox_open(struct inbox *inbox, struct loop *loop,
	       void (*ready)(struct source *source, uint32_t events))
{
	int r = mailbox_open(&inbox->mailbox);

	if (r)
		return r;
	inbox->loop = loop;
	return loop_add(loop, &inbox->source, inbox->mailbox.event_fd, EPOLLIN, ready);
}

void inbox_close(struct inbox *inbox)
{
	if (!inbox->loop)
		return;
	if (inbox->source.fd >= 0)
		loop_take(inbox->loop, &inbox->source);
	mailbox_close(&inbox->mailbox);
	inbox->loop = NULL;
}
