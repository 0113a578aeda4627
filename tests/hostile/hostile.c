/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hostile/hostile.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

unsigned try_hello(int fd, const struct control_hello *hello, struct message *reply)
{
	return call(fd, CONTROL_HELLO, hello, sizeof *hello, reply);
}

struct client client_on(int fd)
{
	return (struct client){fd, greet(fd)};
}

struct client client_new(void)
{
	return client_on(dial_tcp());
}

unsigned try_open(int fd, enum object_type type, const char *name, size_t name_bytes,
		  uint64_t parameter, struct message *reply)
{
	uint8_t body[sizeof(struct control_open) + CONTROL_NAME_BYTES_MAX];
	struct control_open open = {.type = le16_of((uint16_t)type),
				    .flags = CONTROL_OPEN_CREATE | CONTROL_OPEN_PARAMETERS,
				    .name_bytes = (uint8_t)name_bytes,
				    .parameters.parameter[0] = le64_of(parameter)};

	memcpy(body, &open, sizeof open);
	memcpy(body + sizeof open, name, name_bytes);
	return call(fd, CONTROL_OPEN, body, (uint32_t)(sizeof open + name_bytes), reply);
}

uint64_t open_object(int fd, enum object_type type, const char *name, uint64_t parameter)
{
	struct message reply;
	struct control_opened opened;

	ck_assert_uint_eq(try_open(fd, type, name, strlen(name), parameter, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return le64_get(opened.offset);
}

unsigned call_name(int fd, uint16_t type, const char *name, struct message *reply)
{
	uint8_t body[sizeof(struct control_name) + CONTROL_NAME_BYTES_MAX] = {0};
	size_t name_bytes = strlen(name);

	body[0] = (uint8_t)name_bytes;
	memcpy(body + sizeof(struct control_name), name, name_bytes);
	return call(fd, type, body, (uint32_t)(sizeof(struct control_name) + name_bytes), reply);
}

void until_sessions(int fd, uint64_t count)
{
	int64_t end_ms = now_ms() + HANG_TIMEOUT_MS;

	while (le64_get(server_stat(fd).sessions) > count) {
		ck_assert_msg(now_ms() < end_ms, "a session does not end");
		usleep(1000);
	}
}

unsigned try_attach(int fd, const struct control_attach *attach)
{
	struct message reply;

	return call(fd, CONTROL_ATTACH, attach, sizeof *attach, &reply);
}

struct data_request request_of(unsigned opcode, uint64_t offset, uint32_t length_bytes,
			       uint64_t operand)
{
	return (struct data_request){.opcode = (uint8_t)opcode,
				     .length_bytes = le32_of(length_bytes),
				     .offset = le64_of(offset),
				     .operand = le64_of(operand)};
}

unsigned execute(int fd, struct data_request request, uint64_t *ret_value)
{
	struct data_response response;

	send_all(fd, &request, sizeof request);
	ck_assert_uint_eq(receive(fd, &response, sizeof response), sizeof response);
	ck_assert_uint_eq(response.opcode, request.opcode);
	ck_assert_uint_eq(le32_get(response.length_bytes), 0);
	if (ret_value)
		*ret_value = le64_get(response.value);
	return le16_get(response.status);
}

uint64_t add(int fd, uint64_t offset, uint64_t addend)
{
	uint64_t before;

	ck_assert_uint_eq(execute(fd, request_of(DATA_FAA, offset, 8, addend), &before), WIRE_OK);
	return before;
}

void *map_arena(const struct client *client)
{
	int arena_fd, fd = attach_shm(&client->welcome, &arena_fd);
	void *arena;

	ck_assert_int_eq(ftruncate(arena_fd, 4096), -1); /* it is sealed */
	arena = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, arena_fd, 0);
	ck_assert_ptr_ne(arena, MAP_FAILED);
	close(arena_fd);
	/* That it is mapped still does not depend on this. */
	close(fd);
	return arena;
}

void start(const char *const *arguments)
{
	/* A session of raw bytes beats no heart: none is to be silent for too long by a slow
	 * machine. */
	static const char *all[16] = {"--memory",    "64MiB", "--domain", "cpu",
				      "--log-level", "error", "--ttl",    "60m"};
	unsigned count = 8;

	for (; arguments && *arguments; arguments++)
		all[count++] = *arguments;
	all[count] = NULL;
	daemon_start(&storaged, all);
}

void serves_a_fresh_client(void)
{
	struct client client = client_new();
	uint64_t word =
		open_object(client.fd, OBJECT_COUNTER, "fresh", 0) + COUNTER_STRIPE_OFFSET(0);
	int data = attach_tcp(&client.welcome);
	struct message reply;
	uint64_t before = add(data, word, 1);

	ck_assert_uint_eq(add(data, word, 1), before + 1);
	ck_assert_uint_eq(call(client.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
	ck_assert(is_closed(client.fd));
	ck_assert(is_closed(data));
	close(client.fd);
	close(data);
}

void finish(void)
{
	serves_a_fresh_client();
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}
