/* SPDX-License-Identifier: Apache-2.0 */
/* The boot id of this kernel: equal ones mean one kernel, so that sockets and memory are shared. */
#ifndef LIB_CORE_BOOT_ID_H
#define LIB_CORE_BOOT_ID_H

#include <stdbool.h>
#include <stdint.h>

#define BOOT_ID_BYTES 16

/* False: there is none (no /proc), and *ret_id is zero. */
bool boot_id_read(uint8_t ret_id[BOOT_ID_BYTES]);

#endif
