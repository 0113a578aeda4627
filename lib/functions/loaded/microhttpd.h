/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libmicrohttpd that are called here: microhttpd.start_daemon is
 * MHD_start_daemon.
 */
#ifndef LIB_FUNCTIONS_LOADED_MICROHTTPD_H
#define LIB_FUNCTIONS_LOADED_MICROHTTPD_H

#include <microhttpd.h>

/* X(name here, name in the library) */
#define MICROHTTPD_API(X)                                               \
	X(add_response_header, MHD_add_response_header)                 \
	X(create_response_from_buffer, MHD_create_response_from_buffer) \
	X(destroy_response, MHD_destroy_response)                       \
	X(queue_response, MHD_queue_response)                           \
	X(resume_connection, MHD_resume_connection)                     \
	X(start_daemon, MHD_start_daemon)                               \
	X(suspend_connection, MHD_suspend_connection)

#define X(name, symbol) __typeof__(symbol) *name;
struct microhttpd_api {
	MICROHTTPD_API(X)
};
#undef X

/* Valid after microhttpd_load() has returned 0. */
extern struct microhttpd_api microhttpd;

/* As load_functions(). */
int microhttpd_load(char *why);

#endif
