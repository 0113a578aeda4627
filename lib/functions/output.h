/* SPDX-License-Identifier: Apache-2.0 */
/* What functions have written, at the driver. */
#ifndef LIB_FUNCTIONS_OUTPUT_H
#define LIB_FUNCTIONS_OUTPUT_H

#include "lib/functions/executor.h"

/* Hand a line over to the driver. One that makes no sense is dropped. */
void output_take(const struct dso_executor *executor, const struct result_message *message,
		 const uint8_t *rest, size_t rest_bytes);

#endif
