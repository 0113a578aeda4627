/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/loaded/jansson.h"

#include "lib/functions/loaded/load.h"

struct jansson_api jansson;

int jansson_load(char *why)
{
#define X(name, symbol) #symbol,
	static const char *const symbols[] = {JANSSON_API(X)};
#undef X

	return load_functions("libjansson.so.4", "libjansson4", symbols,
			      sizeof symbols / sizeof *symbols, &jansson, why);
}
