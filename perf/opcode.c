/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/opcode.h"

#include <string.h>

const char *const opcode_names[OPCODES] = {
	[OPCODE_READ] = "read",
	[OPCODE_WRITE] = "write",
	[OPCODE_CAS] = "cas",
	[OPCODE_FAA] = "faa",
};

enum opcode opcode_find(const char *name)
{
	unsigned opcode = 0;

	while (opcode < OPCODES && strcmp(name, opcode_names[opcode]))
		opcode++;
	return opcode;
}
