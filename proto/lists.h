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
	X(FUTURE, future, 11)      \
	X(QUEUE, queue, 12)        \
	X(MAP, map, 13)            \
	X(SET, set, 14)            \
	X(AGGREGATOR, aggregator, 15)

/* X(NAME, name, bit on the wire), best first. */
#define TRANSPORTS(X)      \
	X(SHM, shm, 1)     \
	X(VERBS, verbs, 2) \
	X(ROCE, roce, 8)   \
	X(TCP, tcp, 4)

#define LIST_ONE(NAME, name, number)      +1
#define LIST_NAME(NAME, name, number)     #name,
#define LIST_NAME_AT_BIT(NAME, name, bit) [__builtin_ctz(bit)] = #name,

#define TRANSPORT_COUNT (0 TRANSPORTS(LIST_ONE))
/* Their names as the elements of an array: best first, and by the number of the bit. */
#define TRANSPORT_NAMES        TRANSPORTS(LIST_NAME)
#define TRANSPORT_NAMES_BY_BIT TRANSPORTS(LIST_NAME_AT_BIT)

#endif
