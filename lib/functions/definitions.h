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

#endif
