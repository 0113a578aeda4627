/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of objects and the transports: each is listed here alone. Enums, names and tables come
 * from these lists, and the public header is compared with them (lib/client/agreement.c).
 */
#ifndef PROTO_LISTS_H
#define PROTO_LISTS_H

/* X(NAME, name, number on the wire). Numbers are never reused. */
#define OBJECT_TYPES(X)            \
	X(MEMORY, memory, 1)       \
	X(COUNTER, counter, 2)     \
	X(REGISTER, register, 3)   \
	X(MUTEX, mutex, 4)         \
	X(RWLOCK, rwlock, 5)       \
	X(SEMAPHORE, semaphore, 6) \
	X(BARRIER, barrier, 7)     \
	X(LATCH, latch, 8)         \
	X(CONDITION, condition, 9) \
	X(ONCE, once, 10)          \
	X(FUTURE, future, 11)

/* X(NAME, name, bit on the wire), in the order of the bits, which begin with 1. */
#define TRANSPORTS(X)      \
	X(SHM, shm, 1)     \
	X(VERBS, verbs, 2) \
	X(TCP, tcp, 4)     \
	X(ROCE, roce, 8)

/* Their names as the elements of an array. */
#define LIST_NAME(NAME, name, number) #name,
#define TRANSPORT_NAMES               TRANSPORTS(LIST_NAME)

#endif
