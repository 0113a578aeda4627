/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_DSOCTL_AGE_H
#define TOOLS_DSOCTL_AGE_H

#include <stddef.h>
#include <stdint.h>

/* A time for people, in its two largest units: "12s", "3m12s", "5h04m", "2d03h". */
void age_write(char *text, size_t bytes, int64_t seconds);

#endif
