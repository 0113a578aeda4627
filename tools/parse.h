/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as people type them. Each returns 0, or -EINVAL and leaves its output alone. */
#ifndef TOOLS_PARSE_H
#define TOOLS_PARSE_H

#include <stdint.h>

/* A decimal int64, with a sign or not. */
int parse_int64(const char *text, int64_t *ret_value);

/* A decimal number from @min to @max. */
int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);

/* A number of bytes from @min to @max: 4096, 64KiB, 8MiB, 1GiB. */
int parse_size(const char *text, uint64_t min, uint64_t max, uint64_t *ret_bytes);

/*
 * A duration above 0 and up to an hour, in ns: 0.5, 2.5s, 500ms, 20us, 100ns, 2m, 1h. Without a
 * unit it is in units of @unit_ns.
 */
int parse_duration(const char *text, int64_t unit_ns, int64_t *ret_ns);

#endif
