/* SPDX-License-Identifier: Apache-2.0 */
/* Many calls of one caller, some of them at a time. */
#ifndef LIB_FUNCTIONS_MANY_H
#define LIB_FUNCTIONS_MANY_H

struct dso_thread;
struct many;

/* A thread of @many is over. */
void many_note(struct many *many, struct dso_thread *thread);

#endif
