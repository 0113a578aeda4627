/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/loaded/microhttpd.h"

#include "lib/functions/loaded/load.h"

struct microhttpd_api microhttpd;

int microhttpd_load(char *why)
{
#define X(name, symbol) #symbol,
	static const char *const symbols[] = {MICROHTTPD_API(X)};
#undef X

	return load_functions("libmicrohttpd.so.12", "libmicrohttpd12", symbols,
			      sizeof symbols / sizeof *symbols, &microhttpd, why);
}
