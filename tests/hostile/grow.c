/* SPDX-License-Identifier: Apache-2.0 */
/* GROW: objects that grow. */
#include "tests/hostile/hostile.h"

#include <string.h>
#include <unistd.h>

#define UNIT CONTROL_EXTENT_UNIT_BYTES

static uint32_t handle_of(int fd, const char *name)
{
	struct message reply;
	struct control_opened opened;

	ck_assert_uint_eq(try_open(fd, OBJECT_COUNTER, name, strlen(name), 0, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return le32_get(opened.handle);
}

static unsigned grow(int fd, uint32_t handle, unsigned number, uint64_t bytes,
		     struct message *reply)
{
	struct control_grow ask = {.handle = le32_of(handle),
				   .extent = le16_of((uint16_t)number),
				   .bytes = le64_of(bytes)};

	return call(fd, CONTROL_GROW, &ask, sizeof ask, reply);
}

static unsigned count_of(const struct message *reply)
{
	struct control_grown head;

	memcpy(&head, reply->body, sizeof head);
	ck_assert_uint_eq(le32_get(reply->header.length_bytes),
			  sizeof head + le32_get(head.count) * sizeof(struct control_extent));
	return le32_get(head.count);
}

static struct control_extent extent_of(const struct message *reply, unsigned i)
{
	struct control_extent extent;

	memcpy(&extent, reply->body + sizeof(struct control_grown) + i * sizeof extent,
	       sizeof extent);
	return extent;
}

/* Another session deletes the object, and this one is told. */
static void delete_by(int by, int fd)
{
	struct message message;

	ck_assert_uint_eq(call_name(by, CONTROL_DELETE, "grows", &message), WIRE_OK);
	ck_assert(receive_message(fd, &message));
	ck_assert_uint_eq(le16_get(message.header.type), CONTROL_DELETED);
}

START_TEST(extents_are_zero_and_their_own_and_come_back_with_the_object)
{
	struct client client, other;
	struct message reply;
	uint64_t used;
	uint8_t *arena;

	START();
	client = client_new();
	other = client_new();
	arena = map_arena(&client);
	used = le64_get(server_stat(client.fd).region_used_bytes);
	for (unsigned round = 0; round < 2; round++) {
		uint32_t handle = handle_of(client.fd, "grows");
		struct control_entry entry;

		for (unsigned i = 0; i < 4; i++) {
			struct control_extent extent;

			ck_assert_uint_eq(grow(client.fd, handle, i, 64 * UNIT, &reply), WIRE_OK);
			ck_assert_uint_eq(count_of(&reply), 1);
			extent = extent_of(&reply, 0);
			for (uint64_t at = 0; at < 64 * UNIT; at++)
				ck_assert_uint_eq(arena[le64_get(extent.offset) + at], 0);
			memset(arena + le64_get(extent.offset), 0xff, 64 * UNIT);
		}
		ck_assert_uint_eq(grow(client.fd, handle, 0, 0, &reply), WIRE_OK);
		ck_assert_uint_eq(count_of(&reply), 4);
		ck_assert_uint_eq(call_name(client.fd, CONTROL_STAT, "grows", &reply), WIRE_OK);
		memcpy(&entry, reply.body, sizeof entry);
		ck_assert_uint_eq(entry.extents, 4);
		ck_assert_uint_eq(le32_get(entry.extent_units), 256);
		delete_by(other.fd, client.fd);
		ck_assert_uint_eq(grow(client.fd, handle, 9, UNIT, &reply), WIRE_STALE);
		/* An acknowledgement of the deletion, which gives the handle back. */
		ck_assert_uint_eq(call(client.fd, CONTROL_CLOSE,
				       &(struct control_close){.handle = le32_of(handle)},
				       sizeof(struct control_close), &reply),
				  WIRE_OK);
		while (le64_get(server_stat(client.fd).region_used_bytes) != used)
			usleep(1000);
	}
	finish();
}
END_TEST

START_TEST(what_an_object_cannot_grow_by_is_refused_and_costs_nothing)
{
	static const struct {
		unsigned number;
		uint64_t bytes;
		unsigned status;
	} asked[] = {
		{CONTROL_EXTENTS_MAX, UNIT, WIRE_RANGE},
		{65535, UNIT, WIRE_RANGE},
		{0, 1, WIRE_RANGE},
		{0, UNIT - 64, WIRE_RANGE},
		{0, CONTROL_EXTENT_BYTES_MAX + UNIT, WIRE_RANGE},
		{0, UINT64_MAX, WIRE_RANGE},
		{0, CONTROL_EXTENT_BYTES_MAX, WIRE_NO_MEMORY},
	};
	struct client client;
	struct message reply;
	uint64_t used;
	uint32_t handle;

	START();
	client = client_new();
	handle = handle_of(client.fd, "grows");
	used = le64_get(server_stat(client.fd).region_used_bytes);
	for (unsigned i = 0; i < sizeof asked / sizeof *asked; i++)
		ck_assert_uint_eq(grow(client.fd, handle, asked[i].number, asked[i].bytes, &reply),
				  asked[i].status);
	ck_assert_uint_eq(grow(client.fd, handle + 1, 0, UNIT, &reply), WIRE_STALE);
	ck_assert_uint_eq(grow(client.fd, 0, 0, UNIT, &reply), WIRE_STALE);
	ck_assert_uint_eq(le64_get(server_stat(client.fd).region_used_bytes), used);
	finish();
}
END_TEST

/* As far as it may, and no further; and who waits for memory that is being cleaned has it. */
START_TEST(an_object_grows_until_the_arena_is_full_and_its_end_frees_everything)
{
	enum { STEP = 256 };
	struct client client, other;
	struct message reply;
	unsigned first = 0, status = WIRE_OK;

	START();
	other = client_new();
	for (unsigned round = 0; round < 3; round++) {
		uint32_t handle;
		unsigned number = 0;

		client = client_new();
		until_sessions(client.fd, 2);
		handle = handle_of(client.fd, "grows");
		for (; number < CONTROL_EXTENTS_MAX; number++) {
			status = grow(client.fd, handle, number, STEP * UNIT, &reply);
			if (status != WIRE_OK)
				break;
		}
		ck_assert_uint_eq(status, WIRE_NO_MEMORY);
		ck_assert_uint_ge(number, 32);
		if (round == 0)
			first = number;
		ck_assert_uint_eq(number, first);
		delete_by(other.fd, client.fd);
		/* Without a CLOSE: the session's end gives the handle back. */
		ck_assert_uint_eq(call(client.fd, CONTROL_GOODBYE, NULL, 0, &reply), WIRE_OK);
		close(client.fd);
	}
	finish();
}
END_TEST

TCase *grow_tests(void)
{
	TCase *tests = tcase_create("grow");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, extents_are_zero_and_their_own_and_come_back_with_the_object);
	tcase_add_test(tests, what_an_object_cannot_grow_by_is_refused_and_costs_nothing);
	tcase_add_test(tests, an_object_grows_until_the_arena_is_full_and_its_end_frees_everything);
	return tests;
}
