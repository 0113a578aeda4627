/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of a reply: an enum of the wire's own, because errno values differ between systems.
 * One table maps it to the errno that a caller of the library sees and to a sentence.
 */
#ifndef PROTO_STATUS_H
#define PROTO_STATUS_H

#include <errno.h>
#include <stdint.h>

/* X(name, number on the wire, errno in the library, sentence). Numbers are never reused. */
#define WIRE_STATUS_TABLE(X)                                                                    \
	X(OK, 0, 0, "done")                                                                     \
	X(MALFORMED, 1, EPROTO, "the message broke the protocol")                               \
	X(VERSION, 2, EPROTONOSUPPORT, "no protocol version in common")                         \
	X(FEATURE, 3, EPROTONOSUPPORT, "a required feature is not supported")                   \
	X(NO_NAMESPACE, 4, ENOENT, "there is no such namespace")                                \
	X(NO_SESSION, 5, ESHUTDOWN, "the session is over: it was closed or fenced")             \
	X(NAME, 6, EINVAL, "a name has 1 to 255 bytes and no zero byte")                        \
	X(NOT_FOUND, 7, ENOENT, "there is no object of that name")                              \
	X(TYPE, 8, EEXIST, "an object of another type has that name")                           \
	X(PARAMETERS, 9, EINVAL, "the parameters are out of range or differ from the object's") \
	X(STALE, 10, ESTALE, "the object was deleted")                                          \
	X(NO_MEMORY, 11, ENOSPC, "the arena is full")                                           \
	X(OBJECTS_MAX, 12, ENFILE, "the namespace has as many objects as it may")               \
	X(OPENS_MAX, 13, EMFILE, "the session has as many objects open as it may")              \
	X(SESSIONS_MAX, 14, EUSERS, "storaged has as many sessions as it may")                  \
	X(RANGE, 15, ERANGE, "the offset or length lies outside the region")                    \
	X(MISALIGNED, 16, EINVAL, "an atomic's offset is a multiple of 8")                      \
	X(ACCESS, 17, EACCES, "the session may not do that")                                    \
	X(TRANSPORT, 18, EOPNOTSUPP, "storaged does not offer that transport")                  \
	X(DRAINING, 19, ECONNREFUSED, "storaged is shutting down")                              \
	X(DEVICE, 20, EIO, "storaged's RDMA device failed the operation")                       \
	X(INTERNAL, 21, EIO, "storaged could not do it")                                        \
	X(CHANGED, 22, EAGAIN, "the word has another value than the one that was expected")     \
	X(CANCELLED, 23, ECANCELED, "the wait was cancelled")

enum wire_status {
#define X(name, number, error, sentence) WIRE_##name = number,
	WIRE_STATUS_TABLE(X)
#undef X
};

/* The negative errno for @status; -EPROTO for a number that this version does not know. */
int wire_status_error(uint16_t status);

/* A sentence for @status, never NULL. */
const char *wire_status_sentence(uint16_t status);

#endif
