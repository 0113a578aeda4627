/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded stores of this process, around fork(): a child has none of its parent's. See
 * lib/client/fork.c. */
#ifndef LIB_CLIENT_EMBEDDED_H
#define LIB_CLIENT_EMBEDDED_H

/* Taken before any session's lock. */
void embedded_before_fork(void);
void embedded_after_fork(void);

/* In the child: the parent's memory is out of reach, though the stores are still whole. */
void embedded_detach(void);
/* In the child, after its sessions were forgotten: a store that is opened from here on is a new
 * one. */
void embedded_forget_all(void);

#endif
