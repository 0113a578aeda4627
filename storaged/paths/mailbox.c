/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/paths/mailbox.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_open(struct mailbox *mailbox)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*mailbox = (struct mailbox){.last = &mailbox->first, .event_fd = fd};
	pthread_mutex_init(&mailbox->lock, NULL);
	return 0;
}

void mailbox_close(struct mailbox *mailbox)
{
	close(mailbox->event_fd);
	pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail, uint32_t bits)
{
	pthread_mutex_lock(&mailbox->lock);
	if (mail->bits == 0) {
		mail->next = NULL;
		*mailbox->last = mail;
		mailbox->last = &mail->next;
	}
	mail->bits |= bits;
	atomic_store_explicit(&mailbox->posted, true, memory_order_relaxed);
	pthread_mutex_unlock(&mailbox->lock);
	eventfd_write(mailbox->event_fd, 1);
}

struct mail *mailbox_take(struct mailbox *mailbox, uint32_t *ret_bits)
{
	struct mail *mail;

	pthread_mutex_lock(&mailbox->lock);
	mail = mailbox->first;
	if (mail) {
		mailbox->first = mail->next;
		if (!mailbox->first)
			mailbox->last = &mailbox->first;
		*ret_bits = mail->bits;
		mail->bits = 0;
	}
	pthread_mutex_unlock(&mailbox->lock);
	return mail;
}

void mailbox_quiet(struct mailbox *mailbox)
{
	eventfd_t count;

	atomic_store_explicit(&mailbox->posted, false, memory_order_relaxed);
	eventfd_read(mailbox->event_fd, &count);
}

void mailbox_poke(struct mailbox *mailbox)
{
	eventfd_write(mailbox->event_fd, 1);
}
