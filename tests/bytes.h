/* SPDX-License-Identifier: Apache-2.0 */
/* bytes.h - what many bytes are. */
#ifndef TESTS_BYTES_H
#define TESTS_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool bytes_are(const void *bytes, size_t count, uint8_t value)
{
	for (size_t i = 0; i < count; i++)
		if (((const uint8_t *)bytes)[i] != value)
			return false;
	return true;
}

#endif
