/* SPDX-License-Identifier: Apache-2.0 */
/* Waits and wakes: who is parked, woken, and given the word. */
#include "tests/hostile/hostile.h"

#include <string.h>
#include <unistd.h>

/* In which a word that was given away is not given away again (lib/core/waitlist.h). */
#define PAUSE_NS INT64_C(300000)

/* A memory object "words", opened by @fd. Returns its handle. */
static le32_t open_words(int fd)
{
	struct message reply;
	struct control_opened opened;

	ck_assert_uint_eq(try_open(fd, OBJECT_MEMORY, "words", 5, 64, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	return opened.handle;
}

/* The same, new, with a data connection of @client's in *ret_data. Returns the offset of its words
 * in the region. */
static uint64_t new_words(struct client *client, int *ret_data)
{
	uint64_t object = open_object(client->fd, OBJECT_MEMORY, "words", 64);

	*ret_data = attach_tcp(&client->welcome);
	return object + MEMORY_DATA_OFFSET;
}

/* The WAIT is taken before the PING that comes behind it. */
static void park(int fd, const struct control_wait *wait)
{
	struct message reply;

	send_request(fd, CONTROL_WAIT, wait, sizeof *wait);
	ck_assert_uint_eq(call(fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
}

/* The reply to WAIT: what was taken, or 0. */
static uint64_t taken_of(int fd)
{
	struct control_waited waited;
	struct message reply;

	ck_assert(receive_message(fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
	ck_assert_uint_eq(le32_get(reply.header.length_bytes), sizeof waited);
	memcpy(&waited, reply.body, sizeof waited);
	return le64_get(waited.taken);
}

START_TEST(a_wait_is_answered_when_it_may_not_be_parked)
{
	struct client client;
	struct control_wait wait = {0};
	struct message reply;

	START();
	client = client_new();
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_STALE);
	wait.handle = open_words(client.fd);
	wait.offset = le64_of(MEMORY_DATA_OFFSET + 4);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply),
			  WIRE_MISALIGNED);
	wait.offset = le64_of(UINT64_MAX - 7);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_RANGE);
	/* The last word has none behind it to take something off. */
	wait.offset = le64_of(MEMORY_DATA_OFFSET + 56);
	wait.leave = le64_of(1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_RANGE);
	wait.leave = le64_of(0);
	wait.expected = le64_of(1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_CHANGED);
	close(client.fd);
	finish();
}
END_TEST

START_TEST(a_wait_for_a_sum_reaches_no_word_behind_its_object)
{
	struct client client;
	struct control_wait wait = {.until = CONTROL_WAIT_SUM_OTHER, .share = le16_of(2)};
	struct message reply;
	struct control_opened opened;

	START();
	client = client_new();
	ck_assert_uint_eq(try_open(client.fd, OBJECT_COUNTER, "count", 5, 0, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	wait.handle = opened.handle;
	wait.offset = le64_of(COUNTER_STRIPE_OFFSET(0));
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_RANGE);
	wait.offset = le64_of(UINT64_MAX - LAYOUT_LINE_BYTES + 1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_RANGE);
	wait.offset = le64_of(COUNTER_STRIPE_OFFSET(0) + 4);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply),
			  WIRE_MISALIGNED);
	wait.offset = le64_of(COUNTER_STRIPE_OFFSET(0));
	wait.share = le16_of(1);
	wait.expected = le64_of(1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_CHANGED);
	/* More words than a counter has are no wait at all. */
	wait.share = le16_of(COUNTER_STRIPES_MAX + 1);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply),
			  WIRE_MALFORMED);
	close(client.fd);
	finish();
}
END_TEST

/* The handle whose object is looked at for a sum is closed, and the session ends. */
START_TEST(what_is_looked_at_may_go_at_any_time)
{
	struct client client, other;
	struct control_wait wait = {.until = CONTROL_WAIT_SUM_OTHER,
				    .share = le16_of(1),
				    .offset = le64_of(COUNTER_STRIPE_OFFSET(0))};
	struct control_close close_it = {0};
	struct message reply;
	struct control_opened opened;

	START();
	other = client_new();
	for (unsigned i = 0; i < 2; i++) {
		client = client_new();
		ck_assert_uint_eq(try_open(client.fd, OBJECT_COUNTER, "count", 5, 0, &reply),
				  WIRE_OK);
		memcpy(&opened, reply.body, sizeof opened);
		wait.handle = close_it.handle = opened.handle;
		park(client.fd, &wait);
		if (i == 0) {
			send_request(client.fd, CONTROL_CLOSE, &close_it, sizeof close_it);
			ck_assert(receive_message(client.fd, &reply));
			ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
			ck_assert_uint_eq(le16_get(reply.header.status), WIRE_STALE);
			ck_assert(receive_message(client.fd, &reply));
			ck_assert_uint_eq(le16_get(reply.header.status), WIRE_OK);
		}
		close(client.fd);
		until_sessions(other.fd, 1);
		ck_assert_uint_eq(call(other.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	}
	close(other.fd);
	finish();
}
END_TEST

START_TEST(a_parked_session_is_served_and_may_cancel)
{
	struct client client;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET)};
	struct message reply;

	START();
	client = client_new();
	wait.handle = open_words(client.fd);
	park(client.fd, &wait);
	send_request(client.fd, CONTROL_CANCEL, NULL, 0);
	ck_assert(receive_message(client.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_WAIT);
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_CANCELLED);
	ck_assert(receive_message(client.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_CANCEL);
	/* Without a wait there is nothing to cancel. */
	ck_assert_uint_eq(call(client.fd, CONTROL_CANCEL, NULL, 0, &reply), WIRE_OK);
	close(client.fd);
	finish();
}
END_TEST

START_TEST(of_those_parked_on_a_word_the_longest_parked_are_woken_first)
{
	struct client clients[4];
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET)};
	struct control_wake wake = {.count = le32_of(1), .offset = le64_of(MEMORY_DATA_OFFSET)};
	struct control_woken woken;
	struct message reply;

	START();
	for (unsigned i = 0; i < 4; i++) {
		clients[i] = client_new();
		wait.handle = wake.handle = open_words(clients[i].fd);
		if (i < 3)
			park(clients[i].fd, &wait);
	}
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(call(clients[3].fd, CONTROL_WAKE, &wake, sizeof wake, &reply),
				  WIRE_OK);
		memcpy(&woken, reply.body, sizeof woken);
		ck_assert_uint_eq(le32_get(woken.count), 1);
		ck_assert_uint_eq(taken_of(clients[i].fd), 0);
		/* The next one has no answer before this. */
		for (unsigned j = i + 1; j < 3; j++)
			ck_assert_uint_eq(call(clients[j].fd, CONTROL_PING, NULL, 0, &reply),
					  WIRE_OK);
	}
	for (unsigned i = 0; i < 4; i++)
		close(clients[i].fd);
	finish();
}
END_TEST

START_TEST(a_second_wait_of_a_session_breaks_the_protocol)
{
	struct client client;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET)};
	struct message reply;

	START();
	client = client_new();
	wait.handle = open_words(client.fd);
	send_request(client.fd, CONTROL_WAIT, &wait, sizeof wait);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply),
			  WIRE_MALFORMED);
	ck_assert(is_closed(client.fd));
	close(client.fd);
	finish();
}
END_TEST

START_TEST(a_session_that_ends_while_parked_is_taken_off_those_who_wait)
{
	struct client client, other;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET), .leave = le64_of(5)};
	uint64_t words;
	int data;

	START();
	client = client_new();
	other = client_new();
	words = new_words(&other, &data);
	wait.handle = open_words(client.fd);
	add(data, words + 8, 7);
	park(client.fd, &wait);
	ck_assert_uint_eq(add(data, words + 8, 0), 7);
	close(client.fd);
	until_sessions(other.fd, 1);
	ck_assert_uint_eq(add(data, words + 8, 0), 2);
	close(other.fd);
	close(data);
	finish();
}
END_TEST

/* Whoever has it by then: it may be another than its client saw. */
START_TEST(who_parks_on_an_owned_word_is_made_known_in_it)
{
	struct client client, other;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_GIVEN_BACK};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1)};
	struct message reply;
	uint64_t word, owned = owned_word(5, 77) | OWNED_DIED;
	int data;

	START();
	client = client_new();
	other = client_new();
	word = new_words(&other, &data);
	wait.handle = open_words(client.fd);
	wake.handle = open_words(other.fd);
	ck_assert_uint_eq(call(client.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_CHANGED);
	ck_assert_uint_eq(add(data, word, owned), 0);
	park(client.fd, &wait);
	ck_assert_uint_eq(add(data, word, 0), owned | OWNED_WAITED);
	ck_assert_uint_eq(call(other.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	ck_assert_uint_eq(taken_of(client.fd), 0);
	close(client.fd);
	close(other.fd);
	close(data);
	finish();
}
END_TEST

static uint16_t owner_of(const struct client *client)
{
	return (uint16_t)le64_get(client->welcome.session);
}

/* Give the word back, which is @value. */
static void give_back(int data, uint64_t word, uint64_t value)
{
	ck_assert_uint_eq(add(data, word, owned_word(owned_word_token(value), 0) - value), value);
}

START_TEST(storaged_takes_an_owned_word_for_who_is_parked_the_longest)
{
	struct client first, second, giver;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_TAKEN,
				    .expected = le64_of(OWNED_LOST)};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1)};
	uint64_t word, held = owned_word(5, 77) | OWNED_DIED, taken, flags;
	struct message reply;
	int data;

	START_STANDING();
	first = client_new();
	second = client_new();
	giver = client_new();
	word = new_words(&giver, &data);
	wake.handle = open_words(giver.fd);
	add(data, word, held);
	wait.handle = open_words(first.fd);
	park(first.fd, &wait);
	wait.handle = open_words(second.fd);
	park(second.fd, &wait);
	/* Another has it by now, who does not know of them: he is told. */
	flags = OWNED_WAITED | OWNED_QUEUED;
	ck_assert_uint_eq(add(data, word, 0 - flags), held | flags);
	ck_assert_uint_eq(call(giver.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	ck_assert_uint_eq(add(data, word, owned_word(5, 0) - held - flags), held | flags);
	ck_assert_uint_eq(call(giver.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	taken = taken_of(first.fd);
	ck_assert_uint_eq(taken, owned_word(6, owner_of(&first)) | flags | OWNED_GRANTED);
	/* So soon after that it is given to nobody; but when a pause is over, it is. */
	give_back(data, word, taken);
	ck_assert_uint_eq(call(giver.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	ck_assert_uint_eq(owned_word_owner(add(data, word, 0)), 0);
	leap(storaged.pid, PAUSE_NS);
	taken = taken_of(second.fd);
	ck_assert_uint_eq(taken, owned_word(7, owner_of(&second)) | OWNED_GRANTED);
	/* Who has a deadline behind that gets it still, and so does who comes when it has been free
	 * for long. */
	give_back(data, word, taken);
	send_request(second.fd, CONTROL_WAIT, &wait, sizeof wait);
	send_request(second.fd, CONTROL_CANCEL, NULL, 0);
	taken = taken_of(second.fd);
	ck_assert_uint_eq(taken, owned_word(8, owner_of(&second)) | OWNED_GRANTED);
	ck_assert(receive_message(second.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.type), CONTROL_CANCEL);
	/* One of the flags is not what he wants. */
	ck_assert_uint_eq(add(data, word, (owned_word(8, 0) | OWNED_LOST) - taken), taken);
	leap(storaged.pid, PAUSE_NS);
	ck_assert_uint_eq(call(second.fd, CONTROL_WAIT, &wait, sizeof wait, &reply), WIRE_CHANGED);
	close(first.fd);
	close(second.fd);
	close(giver.fd);
	close(data);
	finish();
}
END_TEST

/* It is not given to the first, who wants to take it, so soon after another had it; and then he
 * goes. */
START_TEST(a_wake_of_all_within_a_pause_is_not_lost_when_the_first_goes)
{
	enum { PARKED = 2 };
	struct client owner, first, behind[PARKED];
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_TAKEN,
				    .expected = le64_of(OWNED_LOST)};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1024)};
	uint64_t word, taken, held = owned_word(5, 77), flags = OWNED_WAITED | OWNED_QUEUED;
	struct message reply;
	int data;

	START_STANDING();
	owner = client_new();
	first = client_new();
	word = new_words(&owner, &data);
	add(data, word, held | flags);
	wait.handle = wake.handle = open_words(owner.fd);
	park(owner.fd, &wait);
	wait.handle = open_words(first.fd);
	park(first.fd, &wait);
	wait.until = CONTROL_WAIT_GIVEN_BACK;
	wait.expected = le64_of(0);
	for (unsigned i = 0; i < PARKED; i++) {
		behind[i] = client_new();
		wait.handle = open_words(behind[i].fd);
		park(behind[i].fd, &wait);
	}
	add(data, word, owned_word(5, 0) - held - OWNED_WAITED);
	send_request(owner.fd, CONTROL_WAKE, &wake, sizeof wake);
	taken = taken_of(owner.fd);
	ck_assert_uint_eq(taken, owned_word(6, owner_of(&owner)) | flags | OWNED_GRANTED);
	add(data, word, (owned_word(6, 0) | OWNED_LOST) - taken);
	ck_assert(receive_message(owner.fd, &reply));
	ck_assert_uint_eq(call(owner.fd, CONTROL_WAKE, &wake, sizeof wake, &reply), WIRE_OK);
	send_request(first.fd, CONTROL_CANCEL, NULL, 0);
	ck_assert(receive_message(first.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_CANCELLED);
	leap(storaged.pid, PAUSE_NS);
	for (unsigned i = 0; i < PARKED; i++)
		ck_assert_uint_eq(taken_of(behind[i].fd), 0);
	/* The end of a session would have had them answered, too. */
	ck_assert_uint_eq(le64_get(server_stat(owner.fd).sessions), PARKED + 2);
	for (unsigned i = 0; i < PARKED; i++)
		close(behind[i].fd);
	close(first.fd);
	close(owner.fd);
	close(data);
	finish();
}
END_TEST

START_TEST(a_word_is_given_away_once_in_a_pause_but_for_who_cancels)
{
	enum { ROUNDS = 20 };
	struct client first, second;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_TAKEN};
	struct control_wake wake = {.offset = wait.offset, .count = le32_of(1)};
	struct message reply;
	le32_t handles[2];
	uint64_t word, taken;
	int data;

	START_STANDING();
	first = client_new();
	second = client_new();
	word = new_words(&first, &data);
	wake.handle = handles[0] = open_words(first.fd);
	handles[1] = open_words(second.fd);
	for (unsigned i = 0; i < ROUNDS; i++) {
		leap(storaged.pid, PAUSE_NS);
		add(data, word, owned_word(0, 77));
		wait.handle = handles[0];
		park(first.fd, &wait);
		wait.handle = handles[1];
		park(second.fd, &wait);
		give_back(data, word, add(data, word, 0));
		send_request(first.fd, CONTROL_WAKE, &wake, sizeof wake);
		give_back(data, word, taken_of(first.fd));
		ck_assert(receive_message(first.fd, &reply));
		send_request(first.fd, CONTROL_WAKE, &wake, sizeof wake);
		ck_assert(receive_message(first.fd, &reply));
		leap(storaged.pid, PAUSE_NS - 1);
		ck_assert_uint_eq(owned_word_owner(add(data, word, 0)), 0);
		leap(storaged.pid, 1);
		taken = taken_of(second.fd);
		give_back(data, word, taken);
	}
	/* Nobody has it when his deadline is over. */
	leap(storaged.pid, PAUSE_NS);
	add(data, word, owned_word(0, 77));
	park(second.fd, &wait);
	give_back(data, word, add(data, word, 0));
	send_request(second.fd, CONTROL_CANCEL, NULL, 0);
	taken = taken_of(second.fd);
	ck_assert_uint_ne(taken, 0);
	give_back(data, word, taken);
	ck_assert(receive_message(second.fd, &reply));
	/* Who goes leaves no sign of a queue. */
	add(data, word, owned_word(0, 77));
	park(second.fd, &wait);
	send_request(second.fd, CONTROL_CANCEL, NULL, 0);
	ck_assert(receive_message(second.fd, &reply));
	ck_assert_uint_eq(le16_get(reply.header.status), WIRE_CANCELLED);
	ck_assert_uint_eq(add(data, word, 0) & OWNED_QUEUED, 0);
	close(first.fd);
	close(second.fd);
	close(data);
	finish();
}
END_TEST

/* One who had the words open ends. */
static void pass_by(int watcher)
{
	uint64_t before = le64_get(server_stat(watcher).sessions);
	struct client client = client_new();

	open_words(client.fd);
	close(client.fd);
	until_sessions(watcher, before);
}

/* Who cleared the flag died before it could wake anybody, and whoever has the word now knows of
 * nobody. */
START_TEST(a_death_wakes_who_is_parked_on_an_owned_word_without_its_flag)
{
	struct client client, other;
	struct control_wait wait = {.offset = le64_of(MEMORY_DATA_OFFSET),
				    .until = CONTROL_WAIT_GIVEN_BACK};
	struct message reply;
	uint64_t word;
	int data;

	START();
	client = client_new();
	other = client_new();
	word = new_words(&other, &data);
	wait.handle = open_words(client.fd);
	add(data, word, owned_word(5, 77));
	park(client.fd, &wait);
	pass_by(other.fd);
	ck_assert_uint_eq(call(client.fd, CONTROL_PING, NULL, 0, &reply), WIRE_OK);
	add(data, word, owned_word(6, 78) - owned_word(5, 77) - OWNED_WAITED);
	pass_by(other.fd);
	ck_assert_uint_eq(taken_of(client.fd), 0);
	close(client.fd);
	close(other.fd);
	close(data);
	finish();
}
END_TEST

/* It may have given a permit back and died before it could tell of that. */
START_TEST(the_death_of_a_session_is_an_event_of_the_semaphores_that_it_had_open)
{
	struct client dying, client;
	struct control_wait wait = {.offset = le64_of(SEMAPHORE_EVENT_OFFSET)};
	struct control_opened opened;
	struct message reply;

	START();
	dying = client_new();
	client = client_new();
	open_object(dying.fd, OBJECT_SEMAPHORE, "permits", 2);
	ck_assert_uint_eq(try_open(client.fd, OBJECT_SEMAPHORE, "permits", 7, 2, &reply), WIRE_OK);
	memcpy(&opened, reply.body, sizeof opened);
	wait.handle = opened.handle;
	park(client.fd, &wait);
	close(dying.fd);
	ck_assert_uint_eq(taken_of(client.fd), 0);
	close(client.fd);
	finish();
}
END_TEST

TCase *waits_tests(void)
{
	TCase *tests = tcase_create("waits");

	tcase_set_timeout(tests, 300);
	tcase_add_test(tests, a_wait_is_answered_when_it_may_not_be_parked);
	tcase_add_test(tests, a_wait_for_a_sum_reaches_no_word_behind_its_object);
	tcase_add_test(tests, what_is_looked_at_may_go_at_any_time);
	tcase_add_test(tests, a_parked_session_is_served_and_may_cancel);
	tcase_add_test(tests, of_those_parked_on_a_word_the_longest_parked_are_woken_first);
	tcase_add_test(tests, a_second_wait_of_a_session_breaks_the_protocol);
	tcase_add_test(tests, a_session_that_ends_while_parked_is_taken_off_those_who_wait);
	tcase_add_test(tests, who_parks_on_an_owned_word_is_made_known_in_it);
	tcase_add_test(tests, storaged_takes_an_owned_word_for_who_is_parked_the_longest);
	tcase_add_test(tests, a_wake_of_all_within_a_pause_is_not_lost_when_the_first_goes);
	tcase_add_test(tests, a_word_is_given_away_once_in_a_pause_but_for_who_cancels);
	tcase_add_test(tests, a_death_wakes_who_is_parked_on_an_owned_word_without_its_flag);
	tcase_add_test(tests,
		       the_death_of_a_session_is_an_event_of_the_semaphores_that_it_had_open);
	return tests;
}
