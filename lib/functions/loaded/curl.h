/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libcurl that are called here: curl.easy_init is curl_easy_init. */
#ifndef LIB_FUNCTIONS_LOADED_CURL_H
#define LIB_FUNCTIONS_LOADED_CURL_H

/* Its checks of types wrap functions in macros, which a pointer to one escapes anyway. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

/* X(name here, name in the library) */
#define CURL_API(X)                                      \
	X(easy_cleanup, curl_easy_cleanup)               \
	X(easy_getinfo, curl_easy_getinfo)               \
	X(easy_init, curl_easy_init)                     \
	X(easy_perform, curl_easy_perform)               \
	X(easy_setopt, curl_easy_setopt)                 \
	X(easy_strerror, curl_easy_strerror)             \
	X(global_init, curl_global_init)                 \
	X(multi_add_handle, curl_multi_add_handle)       \
	X(multi_cleanup, curl_multi_cleanup)             \
	X(multi_info_read, curl_multi_info_read)         \
	X(multi_init, curl_multi_init)                   \
	X(multi_perform, curl_multi_perform)             \
	X(multi_poll, curl_multi_poll)                   \
	X(multi_remove_handle, curl_multi_remove_handle) \
	X(multi_wakeup, curl_multi_wakeup)               \
	X(slist_append, curl_slist_append)               \
	X(slist_free_all, curl_slist_free_all)

#define X(name, symbol) __typeof__(symbol) *name;
struct curl_api {
	CURL_API(X)
};
#undef X

/* Valid after curl_load() has returned 0. */
extern struct curl_api curl;

/* As load_functions(). */
int curl_load(char *why);

#endif
