/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *dso_argument(struct dso_call *call, size_t *ret_bytes)
{
	if (ret_bytes)
		*ret_bytes = call->argument_bytes;
	return call->argument;
}

struct dso_session *dso_call_session(struct dso_call *call)
{
	return call->session;
}

uint64_t dso_call_number(const struct dso_call *call)
{
	return call->number;
}

unsigned dso_call_attempt(const struct dso_call *call)
{
	return call->attempt;
}

unsigned dso_call_is_cancelled(const struct dso_call *call)
{
	return atomic_load(call->is_cancelled);
}

int dso_return(struct dso_call *call, const void *value, size_t bytes)
{
	void *copy = NULL;

	if (bytes > DSO_ARGUMENT_BYTES_MAX)
		return dso_fail(call, -EMSGSIZE, "the result has %zu bytes, at most %llu", bytes,
				(unsigned long long)DSO_ARGUMENT_BYTES_MAX);
	if (bytes) {
		copy = malloc(bytes);
		if (!copy)
			return dso_fail(call, -ENOMEM, "no memory for a result of %zu bytes",
					bytes);
		memcpy(copy, value, bytes);
	}
	free(call->result);
	call->result = copy;
	call->result_bytes = bytes;
	return 0;
}

int dso_fail(struct dso_call *call, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(call->sentence, sizeof call->sentence, format, arguments);
	va_end(arguments);
	return error < 0 ? error : -EPROTO;
}
