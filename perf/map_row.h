/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_MAP_ROW_H
#define PERF_MAP_ROW_H

#include "perf/map_load.h"

/* Print what was measured of @system, whose memory has grown by @memory_bytes (0: unknown): a JSON
 * object on a line, or for people. */
void map_row_print_json(const char *system, const struct map_load *load, uint64_t memory_bytes);
void map_row_print_text(const char *system, const struct map_load *load, uint64_t memory_bytes);

#endif
