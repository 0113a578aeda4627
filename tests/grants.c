/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that storaged gives to sessions that do not take them up, with raw clients on a mutex of
 * their own: a session that was given the word here does nothing, as one that is frozen, until the
 * test has it do something.
 */
#include "tests/leap/leap.h"
#include "proto/control.h"
#include "proto/data.h"
#include "proto/layout.h"
#include "tests/raw_client.h"
#include "tests/runner.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Between looks at a word that was given (storaged/session/grants.h), and how many there are at
 * least before it is taken back. */
#define LOOK_NS   INT64_C(50000000)
#define LOOKS_MIN 2

struct client {
	int fd, data;
	uint16_t owner;
	struct control_wait wait;
	uint64_t word; /* of the mutex, in the region */
};

static const uint64_t held_by_another = UINT64_C(5) << 24 | 9999 << 8;

static void open_mutex(struct client *client)
{
	struct {
		struct control_open open;
		char name[5];
	} body = {{.type = le16_of(OBJECT_MUTEX), .flags = CONTROL_OPEN_CREATE, .name_bytes = 5},
		  "mutex"};
	struct control_opened opened;
	struct message reply;

	ck_assert_uint_eq(call(client->fd, CONTROL_OPEN, &body, sizeof body, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	client->word = le64_get(opened.offset) + MUTEX_WORD_OFFSET;
	client->wait = (struct control_wait){.handle = opened.handle,
					     .offset = le64_of(MUTEX_WORD_OFFSET),
					     .expected = le64_of(OWNED_LOST),
					     .until = CONTROL_WAIT_TAKEN};
}

static struct client client_new(void)
{
	struct client client = {.fd = dial_tcp()};
	struct control_welcome welcome = greet(client.fd);

	client.owner = (uint16_t)le64_get(welcome.session);
	client.data = attach_tcp(&welcome);
	open_mutex(&client);
	return client;
}

static void client_end(struct client *client)
{
	close(client->data);
	close(client->fd);
}

/* The word before; the operation is CAS, or FAA. */
static uint64_t change(const struct client *client, unsigned opcode, uint64_t operand,
		       uint64_t swap)
{
	struct data_request request = {.opcode = (uint8_t)opcode,
				       .length_bytes = le32_of(8),
				       .offset = le64_of(client->word),
				       .operand = le64_of(operand),
				       .swap = le64_of(swap)};
	struct data_response response;

	send_all(client->data, &request, sizeof request);
	ck_assert_uint_eq(receive(client->data, &response, sizeof response), sizeof response);
	ck_assert_uint_eq(le16_get(response.status), WIRE_OK);
	return le64_get(response.value);
}

static uint64_t word_of(const struct client *client)
{
	return change(client, DATA_FAA, 0, 0);
}

/* The WAIT is taken before the PING that comes behind it. */
static void park(const struct client *client)
{
	struct message reply;

	send_request(client->fd, CONTROL_WAIT, &client->wait, sizeof client->wait);
	ck_assert_uint_eq(call(client->fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
}

/* The word that the client was given. */
static uint64_t given_to(const struct client *client)
{
	struct control_waited waited;
	struct message reply;

	ck_assert(receive_message(client->fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
	memcpy(&waited, reply.body, sizeof waited);
	return le64_get(waited.taken);
}

/* Give the word back, which somebody else had with @flags, and have storaged give it away. */
static void give_back(const struct client *client, uint64_t flags)
{
	struct control_wake wake = {
		.handle = client->wait.handle, .offset = client->wait.offset, .count = le32_of(1)};
	uint64_t word = word_of(client);
	struct message reply;

	ck_assert_uint_eq(change(client, DATA_CAS, word, owned_word(5, 0) | flags), word);
	ck_assert_uint_eq(call(client->fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
}

/* Whether the client took up what it was given. */
static bool takes_up(const struct client *client, uint64_t given)
{
	return change(client, DATA_CAS, given, given & ~(uint64_t)OWNED_GRANTED) == given;
}

static struct client first, second, giver;

static void begin(void)
{
	const char *const arguments[] = {"--memory", "64MiB", "--domain", "cpu",
					 "--ttl",    "60m",   NULL};

	daemon_start(&storaged, arguments);
	leap_stand(storaged.pid);
	first = client_new();
	second = client_new();
	giver = client_new();
	change(&giver, DATA_FAA, held_by_another, 0);
	park(&first);
	park(&second);
}

static void finish(void)
{
	client_end(&second);
	client_end(&giver);
	ck_assert_int_eq(daemon_stop(&storaged), 0);
}

/* Time passes until what another was given goes to @client; not before the looks that the other has
 * at least. */
static void passes_on_to(const struct client *client)
{
	struct pollfd answer = {.fd = client->fd, .events = POLLIN};
	unsigned looks = 0;

	for (; poll(&answer, 1, 0) == 0; looks++)
		leap(storaged.pid, LOOK_NS);
	ck_assert_uint_ge(looks, LOOKS_MIN);
}

START_TEST(a_grant_that_is_not_taken_up_goes_to_the_next)
{
	uint64_t late, given;

	begin();
	give_back(&giver, 0);
	late = given_to(&first);
	ck_assert_uint_eq(late & ~(uint64_t)(OWNED_WAITED | OWNED_QUEUED),
			  owned_word(6, first.owner) | OWNED_GRANTED);
	passes_on_to(&second);
	given = given_to(&second);
	ck_assert_uint_eq(given, owned_word(7, second.owner) | OWNED_GRANTED);
	ck_assert(!takes_up(&first, late));
	ck_assert(takes_up(&second, given));
	/* What was taken up is not taken back: the first waits until the second gives it back. */
	park(&first);
	leap(storaged.pid, LOOK_NS);
	given = word_of(&giver);
	ck_assert_uint_eq(given, owned_word(7, second.owner) | OWNED_WAITED | OWNED_QUEUED);
	give_back(&second, 0);
	ck_assert(takes_up(&first, given_to(&first)));
	client_end(&first);
	finish();
}
END_TEST

START_TEST(a_grant_that_nobody_else_waits_for_is_taken_back_too)
{
	uint64_t late, word;

	begin();
	give_back(&giver, 0);
	late = given_to(&first);
	passes_on_to(&second);
	given_to(&second);
	LEAP_UNTIL(storaged.pid, LOOK_NS, owned_word_owner(word = word_of(&giver)) == 0);
	ck_assert_uint_eq(owned_word_token(word), 7);
	ck_assert(!takes_up(&first, late));
	client_end(&first);
	finish();
}
END_TEST

/* It never had the mutex: what the one before it left is all that the next is told. */
static void dies_with_the_grant(uint64_t left)
{
	uint64_t given;

	begin();
	give_back(&giver, left);
	given_to(&first);
	client_end(&first);
	given = given_to(&second);
	if (given == 0) { /* the sweep was first, and woke all */
		given = word_of(&giver);
		ck_assert_uint_eq(given, owned_word(6, 0) | left);
	} else {
		ck_assert_uint_eq(given & OWNED_DIED, left);
	}
	finish();
}

START_TEST(a_session_that_dies_with_a_grant_leaves_no_trace_of_its_death)
{
	dies_with_the_grant(0);
}
END_TEST

START_TEST(a_session_that_dies_with_a_grant_leaves_the_death_before_it)
{
	dies_with_the_grant(OWNED_DIED);
}
END_TEST

START_TEST(a_session_that_dies_with_what_it_took_up_leaves_a_death)
{
	uint64_t given;

	begin();
	give_back(&giver, 0);
	ck_assert(takes_up(&first, given_to(&first)));
	client_end(&first);
	given = given_to(&second);
	ck_assert_uint_eq((given ? given : word_of(&giver)) & OWNED_DIED, OWNED_DIED);
	finish();
}
END_TEST

/* The client has not given its handle back: it may come before it read that the object was
 * deleted. */
START_TEST(a_wait_on_a_deleted_object_that_is_open_is_stale)
{
	struct {
		struct control_name name;
		char bytes[5];
	} body = {{.name_bytes = 5}, "mutex"};
	struct message reply;

	begin();
	send_request(giver.fd, CONTROL_DELETE, &body, sizeof body);
	/* The one that is parked is told, and that it was deleted; so is the next one that wants to
	 * park. */
	for (unsigned answers = 0; answers < 2;) {
		ck_assert(receive_message(first.fd, &reply));
		if (le16_get(reply.header.type) != CONTROL_WAIT)
			continue;
		ck_assert_uint_eq(le16_get(reply.header.status), WIRE_STALE);
		if (++answers == 1)
			send_request(first.fd, CONTROL_WAIT, &first.wait, sizeof first.wait);
	}
	client_end(&first);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("grants");
	TCase *tests = tcase_create("grants");

	leap_prepare();
	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, a_grant_that_is_not_taken_up_goes_to_the_next);
	tcase_add_test(tests, a_grant_that_nobody_else_waits_for_is_taken_back_too);
	tcase_add_test(tests, a_session_that_dies_with_a_grant_leaves_no_trace_of_its_death);
	tcase_add_test(tests, a_session_that_dies_with_a_grant_leaves_the_death_before_it);
	tcase_add_test(tests, a_session_that_dies_with_what_it_took_up_leaves_a_death);
	tcase_add_test(tests, a_wait_on_a_deleted_object_that_is_open_is_stale);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
