/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libjansson that are called here: jansson.loadb is json_loadb. Its inline
 * functions call others by name, so they cannot be used.
 */
#ifndef LIB_FUNCTIONS_LOADED_JANSSON_H
#define LIB_FUNCTIONS_LOADED_JANSSON_H

#include <jansson.h>

/* X(name here, name in the library) */
#define JANSSON_API(X)                             \
	X(array_append_new, json_array_append_new) \
	X(array_get, json_array_get)               \
	X(delete, json_delete)                     \
	X(dumps, json_dumps)                       \
	X(loadb, json_loadb)                       \
	X(object_set_new, json_object_set_new)     \
	X(pack, json_pack)                         \
	X(unpack_ex, json_unpack_ex)

#define X(name, symbol) __typeof__(symbol) *name;
struct jansson_api {
	JANSSON_API(X)
};
#undef X

/* Valid after jansson_load() has returned 0. */
extern struct jansson_api jansson;

/* As load_functions(). */
int jansson_load(char *why);

#endif
