/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object to test the space with, over an embedded store. It is of type memory; its bytes are a
 * table of members, and an index of slots that each refer to one block. Its sessions can be made to
 * end before any operation.
 */
#ifndef LIB_OBJECTS_SPACE_SLOTS_TEST_H
#define LIB_OBJECTS_SPACE_SLOTS_TEST_H

#include "lib/objects/space_inside.h"
#include "lib/objects/steered_test.h"

#include <check.h>

#define MEMBERS 64
#define SLOTS   256

struct handle {
	struct object object;
	struct space space;
	struct steered *steered;
};

struct dso_session *open_session(void);
void delete_object(void);

/* Open the object in a session of its own. */
struct handle *begin(void);
void end(struct handle *handle);
/* The session ends without giving anything back, and storaged's sweep takes it out of the table of
 * members. */
void die(struct handle *handle);
/* One of the two: its transport has a limit, or has none. */
void end_or_die(struct handle *handle);

/* Exchange what the slot refers to for a new block of @bytes, at least 16; 0: for none. */
int put(struct handle *handle, unsigned i, uint64_t bytes);

/* Recover what every session left behind that has ended. */
void recover_all(struct handle *handle);
struct space_report check(struct handle *handle);
unsigned filled(struct handle *handle);
/* Every block has the bytes that were written into it when it was published. */
void verify(struct handle *handle);

/* Nobody is a member: each block is referred to or free, and every free one is found. */
#define EXACT(handle)                                                   \
	do {                                                            \
		struct space_report report_ = check(handle);            \
                                                                        \
		ck_assert_uint_eq(report_.used_blocks, filled(handle)); \
		ck_assert_uint_eq(report_.unreferenced_blocks, 0);      \
		ck_assert_uint_eq(report_.uncounted_spans, 0);          \
		ck_assert_uint_eq(report_.leased_spans, 0);             \
		ck_assert_uint_eq(report_.broken_pages, 0);             \
	} while (0)

#endif
