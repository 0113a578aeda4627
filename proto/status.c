/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/status.h"

#include <stddef.h>

static const struct {
	int error;
	const char *sentence;
} statuses[] = {
#define X(name, number, error, sentence) [number] = {error, sentence},
	WIRE_STATUS_TABLE(X)
#undef X
};

int wire_status_error(uint16_t status)
{
	return status < sizeof statuses / sizeof *statuses ? -statuses[status].error : -EPROTO;
}

const char *wire_status_sentence(uint16_t status)
{
	return status < sizeof statuses / sizeof *statuses
		       ? statuses[status].sentence
		       : "a status that this version does not know";
}
