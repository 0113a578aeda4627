/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/core/boot_id.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* -1: none, as the dashes between groups of digits are. */
static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool boot_id_read(uint8_t ret_id[BOOT_ID_BYTES])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	unsigned digits = 0;

	memset(ret_id, 0, BOOT_ID_BYTES);
	if (fd < 0)
		return false;
	if (read(fd, text, sizeof text - 1) < 0)
		text[0] = 0;
	close(fd);
	for (const char *at = text; *at && digits < 2 * BOOT_ID_BYTES; at++) {
		int digit = digit_of(*at);

		if (digit < 0)
			continue;
		ret_id[digits / 2] = (uint8_t)(ret_id[digits / 2] << 4 | digit);
		digits++;
	}
	if (digits < 2 * BOOT_ID_BYTES)
		memset(ret_id, 0, BOOT_ID_BYTES);
	return digits == 2 * BOOT_ID_BYTES;
}
