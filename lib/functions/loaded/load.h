/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that only some programs with functions need, loaded when one does: a driver of a
 * gateway needs libcurl, a function that serves HTTP libmicrohttpd, each of them libjansson. So
 * others neither link nor install them.
 */
#ifndef LIB_FUNCTIONS_LOADED_LOAD_H
#define LIB_FUNCTIONS_LOADED_LOAD_H

#include <stddef.h>

/*
 * Load @file, and put the addresses of its @symbols (@count of them) into the members of
 * @ret_functions, a struct of pointers to functions in the order of @symbols. Once a process for
 * each struct; any thread may call it at any time. Returns 0, or -EOPNOTSUPP with a sentence in
 * @why (of SENTENCE_BYTES_MAX + 1) that names Debian's @package.
 */
int load_functions(const char *file, const char *package, const char *const *symbols, size_t count,
		   void *ret_functions, char *why);

#endif
