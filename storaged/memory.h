/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory there is for arenas: this host's, what a control group leaves of it (version 1 or
 * 2), or what the kernel may still promise where it promises no more than it has
 * (vm.overcommit_memory 2).
 */
#ifndef STORAGED_MEMORY_H
#define STORAGED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory {
	uint64_t limit_bytes;     /* there will never be more */
	uint64_t available_bytes; /* now */
	/* the kernel may refuse a page that was not reserved at any time, by a signal */
	bool is_strict;
	char limited_by[128]; /* "the memory of this host", "the control group /x" */
};

/* Read the files below @root, which is "" except in tests. What cannot be read limits nothing. */
void memory_look(const char *root, struct memory *ret_memory);

/*
 * Whether there is memory for @count arenas of @bytes. @is_taken: all of it at the start, because
 * it is reserved or a device registers it. Returns 0, with a warning in @reason where it is more
 * than there will ever be, or an empty @reason; or -ENOMEM.
 */
int memory_check(const struct memory *memory, uint64_t bytes, unsigned count, bool is_taken,
		 char *reason, size_t reason_bytes);

#endif
