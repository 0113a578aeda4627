/* SPDX-License-Identifier: Apache-2.0 */
/* What those who play storaged have in common: a listener, whole messages, and a library that may
 * have hung up already. */
#ifndef TESTS_PLAY_H
#define TESTS_PLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "proto/control.h"

/* The thread of one connection, which it closes. The descriptor is the argument's value. */
typedef void *play_server(void *fd);

/* Have whoever connects to the socket @fd, at @address, served, until the process ends. Returns
 * whether that began. */
bool play_at(int fd, const void *address, socklen_t bytes, play_server *serve);
/* The same at a port of 127.0.0.1. Returns its URL, which stays, or NULL. Once in a process. */
const char *play_over_tcp(play_server *serve);

/* Receive, or send, all of it. False: the library has hung up. */
bool take(int fd, void *bytes, size_t count);
bool give(int fd, const void *bytes, size_t count);
/* Answer @request, with CONTROL_BODY_BYTES_MAX of @body at most. */
bool reply(int fd, const struct control_header *request, uint16_t status, const void *body,
	   uint32_t bytes);

#endif
