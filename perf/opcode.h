/* SPDX-License-Identifier: Apache-2.0 */
/* The operations that can be measured, by name. */
#ifndef PERF_OPCODE_H
#define PERF_OPCODE_H

#include <stdbool.h>

enum opcode { OPCODE_READ, OPCODE_WRITE, OPCODE_CAS, OPCODE_FAA, OPCODES };

/* By opcode. */
extern const char *const opcode_names[OPCODES];

/* OPCODES where no operation has that name. */
enum opcode opcode_find(const char *name);

static inline bool opcode_is_atomic(enum opcode opcode)
{
	return opcode == OPCODE_CAS || opcode == OPCODE_FAA;
}

#endif
