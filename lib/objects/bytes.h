/* SPDX-License-Identifier: Apache-2.0 */
/* READ and WRITE of any length: as many operations as it takes, many under way at once. */
#ifndef LIB_OBJECTS_BYTES_H
#define LIB_OBJECTS_BYTES_H

#include "lib/client/session.h"

/* @opcode: DATA_READ or DATA_WRITE, then @buffer is only read. @offset is in the region, and inside
 * the object. Returns as session_execute. */
int bytes_transfer(struct object *object, uint8_t opcode, uint64_t offset, void *buffer,
		   size_t length_bytes);

#endif
