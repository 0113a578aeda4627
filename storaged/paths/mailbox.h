/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages between the main thread and a worker. A message is a set of bits about one thing;
 * messages arrive in the order in which they were first posted. A mail is embedded in the thing
 * that it is about, so posting never fails.
 */
#ifndef STORAGED_PATHS_MAILBOX_H
#define STORAGED_PATHS_MAILBOX_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct mail {
	struct mail *next;
	/* not 0 while it is in the box */
	uint32_t bits;
};

struct mailbox {
	pthread_mutex_t lock;
	struct mail *first, **last;
	/* readable while there is mail */
	int event_fd;
	_Atomic bool posted;
};

int mailbox_open(struct mailbox *mailbox);
void mailbox_close(struct mailbox *mailbox);

/* Any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail, uint32_t bits);

/* Any thread: the receiver, if it sleeps, wakes up. */
void mailbox_poke(struct mailbox *mailbox);

/* The receiver: take the oldest mail, NULL when there is none. mailbox_quiet first. */
struct mail *mailbox_take(struct mailbox *mailbox, uint32_t *ret_bits);
/* The receiver: whether something was posted since mailbox_quiet. Costs no system call. */
static inline bool mailbox_has_mail(struct mailbox *mailbox)
{
	return atomic_load_explicit(&mailbox->posted, memory_order_relaxed);
}
/* The receiver: event_fd is no longer readable, until something is posted. */
void mailbox_quiet(struct mailbox *mailbox);

#endif
