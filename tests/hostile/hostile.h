/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storaged from outside, byte by byte: what a broken, slow, hostile or dead client does to it, and
 * that it serves the next client all the same. Nothing of the library is used, only proto. This is
 * what the files of the test have in common.
 */
#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#include "proto/control.h"
#include "proto/data.h"
#include "proto/layout.h"
#include "tests/leap/leap.h"
#include "tests/raw_client.h"

#include <check.h>

#define MIB       (UINT64_C(1) << 20)
#define SECOND_NS INT64_C(1000000000)

struct client {
	int fd;
	struct control_welcome welcome;
};

unsigned try_hello(int fd, const struct control_hello *hello, struct message *reply);
struct client client_on(int fd);
struct client client_new(void);
unsigned try_open(int fd, enum object_type type, const char *name, size_t name_bytes,
		  uint64_t parameter, struct message *reply);
/* Open or create; returns the object's offset. */
uint64_t open_object(int fd, enum object_type type, const char *name, uint64_t parameter);
unsigned call_name(int fd, uint16_t type, const char *name, struct message *reply);
/* Wait until no more than @count sessions are left. */
void until_sessions(int fd, uint64_t count);
unsigned try_attach(int fd, const struct control_attach *attach);
struct data_request request_of(unsigned opcode, uint64_t offset, uint32_t length_bytes,
			       uint64_t operand);
/* Execute one request without payload either way. Returns the status. */
unsigned execute(int fd, struct data_request request, uint64_t *ret_value);
uint64_t add(int fd, uint64_t offset, uint64_t addend);
/* ATTACH over the unix socket; returns the arena, mapped. */
void *map_arena(const struct client *client);
void start(const char *const *arguments);
void serves_a_fresh_client(void);
void finish(void);

/* A storaged of the test's own, with these arguments behind the usual ones. */
#define START(...) start((const char *[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
/* The same, and its time stands until the test lets some pass. */
#define START_STANDING(...) (START(__VA_ARGS__), leap_stand(storaged.pid))

TCase *hello_tests(void);
TCase *broken_tests(void);
TCase *attach_tests(void);
TCase *data_tests(void);
TCase *limits_tests(void);
TCase *grow_tests(void);
TCase *reduce_tests(void);
TCase *holds_tests(void);
TCase *death_tests(void);
TCase *waits_tests(void);
TCase *starting_tests(void);

#endif
