/* SPDX-License-Identifier: Apache-2.0 */
/* Resolving names of hosts, with a deadline. */
#ifndef LIB_REMOTE_RESOLVE_H
#define LIB_REMOTE_RESOLVE_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>

/* Lookups that no caller waits for any more and that libc has not given up. One more is refused. */
#define RESOLVE_ABANDONED_MAX 16

/*
 * The addresses of @host for TCP to @port, in the order in which to try them. A numeric address
 * needs no resolver, whatever families this host has. Returns 0 (the list is given back with
 * freeaddrinfo), -EHOSTUNREACH, -ETIMEDOUT, -EAGAIN, -ENOMEM; with *reason filled.
 */
int resolve(const char *host, const char *port, int64_t deadline_ns,
	    struct addrinfo **ret_addresses, char *reason, size_t reason_bytes);

#endif
