/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/loaded/load.h"

#include "lib/functions/message.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int load(const char *file, const char *package, const char *const *symbols, size_t count,
		void **functions, char *why)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!library) {
		snprintf(why, SENTENCE_BYTES_MAX + 1,
			 "%s cannot be loaded (install the package %s)", file, package);
		return -EOPNOTSUPP;
	}
	/* From the last to the first one: where that is set, all are. */
	for (size_t i = count; i-- > 0;) {
		functions[i] = dlsym(library, symbols[i]);
		if (functions[i])
			continue;
		snprintf(why, SENTENCE_BYTES_MAX + 1, "%s is missing from %s, which is too old",
			 symbols[i], file);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* The library stays loaded. */
int load_functions(const char *file, const char *package, const char *const *symbols, size_t count,
		   void *ret_functions, char *why)
{
	void **functions = ret_functions;
	int r;

	pthread_mutex_lock(&lock);
	r = functions[0] ? 0 : load(file, package, symbols, count, functions, why);
	pthread_mutex_unlock(&lock);
	return r;
}
