/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that call an object at random: what they do next, and what came of it. */
#ifndef TESTS_LINEARIZABILITY_CLIENTS_H
#define TESTS_LINEARIZABILITY_CLIENTS_H

#include <dso/dso.h>

#include "tests/linearizability/checker.h"
#include "tests/linearizability/specs.h"

#define CLIENTS_MAX 16
#define DRAWN_MAX   63 /* operations of a client */

struct client;

/* How clients use a type of object. */
struct object_kind {
	const struct specification *specification;
	unsigned clients; /* of a round; 0: 3 to 5 */
	bool mortal; /* one of the clients may be killed: nobody waits for what it alone would do */
	/* What the object of @clients is created with, which is what its specification begins
	 * with. */
	int64_t (*parameter)(unsigned clients);
	int (*open)(struct client *client, const char *name, int64_t parameter);
	void (*close)(struct client *client);
	/*
	 * Choose the next operation, with its arguments; false: there is no other. When
	 * client->ending is set only what others wait for is left to do. Operations that have their
	 * effect in two steps are two.
	 */
	bool (*draw)(struct client *client, struct operation *operations, unsigned *ret_count);
	/* What one that is to be killed does before the others begin, in a round that is not rough,
	 * and writes down as @operation. NULL: nothing. */
	void (*settle)(struct client *client, struct operation *operation);
	/* Call the library, and set status and results. */
	void (*perform)(struct client *client, struct operation *operations);
	/* What the client knows from then on. */
	void (*learn)(struct client *client, const struct operation *operations);
};

struct client {
	const struct object_kind *kind;
	void (*perform)(struct client *client,
			struct operation *operations); /* kind's, or a fault */
	struct dso_session *session;
	struct dso_memory *memory;
	struct dso_counter *counter;
	struct dso_register *reg;
	struct dso_mutex *mutex;
	struct dso_rwlock *rwlock;
	struct dso_semaphore *semaphore;
	struct dso_barrier *barrier;
	struct dso_latch *latch;
	struct dso_condition *condition;
	struct dso_once *once;
	struct dso_future *future;
	struct dso_queue *queue;
	struct dso_map *map;
	struct dso_set *set;
	struct dso_aggregator *aggregator;
	uint8_t number;
	unsigned random;
	bool rough;       /* the same for all clients of a round */
	bool doomed;      /* it is the one that is killed */
	bool hasty;       /* it pauses between no operations */
	bool ending;      /* it has done what it was to do */
	unsigned drawn;   /* operations, so far */
	unsigned step;    /* in what it does step by step */
	unsigned slept;   /* at a condition, so often */
	unsigned held;    /* the object's affair; 0: nothing */
	int64_t seen[2];  /* the last value that it knows of, and version or token */
	unsigned pretend; /* a fault's affair */
	/* of a mutex that nobody has locked yet; histories count from there */
	uint64_t token_origin;
};

/* A number below @n. */
unsigned draw_below(struct client *client, unsigned n);

/* A value that no other draws. */
int64_t draw_value(struct client *client);

/* DSO_NOWAIT, some time, or, where it @may_wait for others, HANG_TIMEOUT. */
int64_t draw_timeout(struct client *client, bool may_wait);

/* What dso_register and dso_future are set to for @value: so long, and all of it shows whether
 * it is whole. */
#define VALUE_BYTES_MAX 8192
size_t value_write(int64_t value, uint8_t *buffer);
/* The value, 0 of no bytes, or -1: it is none that was written. */
int64_t value_read(const uint8_t *buffer, size_t length_bytes);

#define X(name) extern const struct object_kind name##_kind;
OBJECT_KINDS(X)
#undef X

#define X(name) +1
enum { OBJECT_KIND_COUNT = OBJECT_KINDS(X) };
#undef X
extern const struct object_kind *const object_kinds[OBJECT_KIND_COUNT];

#endif
