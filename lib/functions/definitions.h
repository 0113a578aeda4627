/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that this program defines, and which program it is. */
#ifndef LIB_FUNCTIONS_DEFINITIONS_H
#define LIB_FUNCTIONS_DEFINITIONS_H

#include "lib/functions/message.h"

/* NULL where there is none. */
const struct dso_definition *definition_of(dso_function function);
const struct dso_definition *definition_named(const char *name, size_t name_bytes);

/* A hash of this process's binary. Returns 0, or the negative errno of reading it. */
int build_of_this(uint8_t ret_build[MESSAGE_BUILD_BYTES]);

/* As text, and as the environment variable by which a process that is started from the same binary
 * gets it, since a large one takes milliseconds to read. */
#define BUILD_VARIABLE   "DSO_WORKER_BUILD"
#define BUILD_TEXT_BYTES (2 * MESSAGE_BUILD_BYTES + 1)
void build_text(const uint8_t build[MESSAGE_BUILD_BYTES], char ret_text[BUILD_TEXT_BYTES]);

/* The process that has started this one says that its hash is @text. Called by dso_function_main()
 * before there is a second thread. */
void build_is(const char *text);

#endif
