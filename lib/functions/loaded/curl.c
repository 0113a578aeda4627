/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/loaded/curl.h"

#include "lib/functions/loaded/load.h"

struct curl_api curl;

int curl_load(char *why)
{
#define X(name, symbol) #symbol,
	static const char *const symbols[] = {CURL_API(X)};
#undef X

	return load_functions("libcurl.so.4", "libcurl4", symbols, sizeof symbols / sizeof *symbols,
			      &curl, why);
}
