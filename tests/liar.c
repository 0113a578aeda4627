/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that lies: a thread plays storaged and answers with what no storaged sends. The library
 * must come back with an error within its timeout, and do nothing else. Random answers come from
 * LIAR_SEED, which is printed.
 */
#include <arpa/inet.h>
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proto/control.h"
#include "proto/data.h"
#include "proto/layout.h"
#include "tests/awake.h"
#include "tests/liar.h"
#include "tests/runner.h"

#define REGION_BYTES 65536
#define PATIENCE     (20 * DSO_SECOND) /* a hundred times the timeout */

/* What the liar does, in the order of a session's life: honest up to that step. */
enum lie {
	RANDOM_BYTES,
	RANDOM_BODY,
	HALF_A_HEADER,
	HUGE_LENGTH,
	WRONG_LENGTH,
	OTHER_VERSION,
	NO_OWNER,
	REFUSAL_WITHOUT_TEXT,
	CLOSE_AT_ONCE,
	SILENCE,
	OPEN_OUTSIDE_THE_REGION,
	OPEN_WITH_TOO_MANY_STRIPES,
	OPEN_TOO_SHORT,
	DATA_OF_ANOTHER_OPCODE,
	DATA_WITH_A_HUGE_LENGTH,
	DATA_RANDOM,
	LIE_COUNT,
	HOLDS_THAT_NEVER_END,
	HOLDS_TOO_MANY,
	HOLDS_CUT_SHORT,
	HOLDS_RANDOM,
	HOLDS_UNKNOWN, /* no feature HELD */
	TAKEN_CUT_SHORT,
	TAKEN_FOR_ANOTHER,
	ANSWERS_OF_ANOTHER_TYPE,
	FENCED_INSTEAD_OF_AN_ANSWER,
	LISTING_THAT_NEVER_ENDS,
	WORDS_THAT_CHANGE,
	NO_FEATURES, /* which is no lie of an older one */
	/* No lies either: */
	DEVICE_FAILS,
	DEVICE_FAILS_STRANGELY, /* with a status that no version knows yet */
	DEVICE_FAILS_IN_A_WAIT,
	ANNEX_OUTSIDE_THE_REGION,
	ANNEX_FAR_OUTSIDE,
	NO_ANNEX_FOR_THE_CAPACITY,
	ANNEX_INSIDE, /* which is no lie */
};

static int listener;
static char url[64];
static _Atomic enum lie lie;
static _Atomic uint64_t first_parameter = 64; /* of the object that is opened */
static _Atomic unsigned seed;

static void random_bytes(uint8_t *bytes, size_t count)
{
	unsigned state = atomic_fetch_add(&seed, 1);

	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)rand_r(&state);
}

static void welcome(int fd, const struct control_header *request)
{
	struct control_welcome honest = {.version = le16_of(CONTROL_VERSION),
					 .domain = CONTROL_DOMAIN_CPU,
					 .transports = CONTROL_TCP,
					 .ttl_ms = le32_of(10000),
					 .features = le64_of(CONTROL_FEATURES),
					 .session = le64_of(65536 + 7),
					 .region_bytes = le64_of(REGION_BYTES)};
	struct control_header header = *request;
	uint8_t noise[512];

	random_bytes(noise, sizeof noise);
	switch (atomic_load(&lie)) {
	case RANDOM_BYTES:
		give(fd, noise, sizeof noise);
		return;
	case RANDOM_BODY:
		reply(fd, request, WIRE_OK, noise, sizeof honest);
		return;
	case HALF_A_HEADER:
		give(fd, &header, sizeof header / 2);
		return;
	case HUGE_LENGTH:
		header.length_bytes = le32_of(UINT32_MAX);
		give(fd, &header, sizeof header);
		return;
	case WRONG_LENGTH:
		reply(fd, request, WIRE_OK, noise, sizeof honest - 1);
		return;
	case OTHER_VERSION:
		honest.version = le16_of(CONTROL_VERSION + 1);
		break;
	case HOLDS_UNKNOWN:
		honest.features = le64_of(CONTROL_FEATURE_WAIT);
		break;
	case NO_FEATURES:
		honest.features = le64_of(0);
		break;
	case NO_OWNER:
		honest.session = le64_of(65536);
		break;
	case REFUSAL_WITHOUT_TEXT:
		reply(fd, request, 60000, NULL, 0);
		return;
	case SILENCE:
		return;
	default:
		break;
	}
	reply(fd, request, WIRE_OK, &honest, sizeof honest);
}

/* A future whose value does not lie in the object itself. */
static void future_with_annex(struct control_opened *opened)
{
	static const uint64_t annexes[] = {
		[ANNEX_OUTSIDE_THE_REGION] = REGION_BYTES - 4096,
		[ANNEX_FAR_OUTSIDE] = UINT64_MAX - 4095,
		[NO_ANNEX_FOR_THE_CAPACITY] = 0,
		[ANNEX_INSIDE] = REGION_BYTES - 8192,
	};
	le64_t *parameter = opened->parameters.parameter;

	opened->length_bytes = le64_of(FUTURE_SLOT_OFFSET + REGISTER_SLOT_BYTES(64));
	parameter[FUTURE_PARAMETER_CAPACITY] = le64_of(8192);
	parameter[FUTURE_PARAMETER_ROOM] = le64_of(64);
	parameter[FUTURE_PARAMETER_ANNEX] = le64_of(annexes[lie]);
}

static void opened(int fd, const struct control_header *request)
{
	struct control_opened honest = {.offset = le64_of(4096),
					.length_bytes = le64_of(128),
					.generation = le32_of(1),
					.handle = le32_of(1)};

	/* A counter of one stripe, or memory. */
	if (lie < TAKEN_CUT_SHORT || lie == WORDS_THAT_CHANGE)
		honest.parameters.parameter[1] = le64_of(1);
	else
		honest.parameters.parameter[0] = le64_of(first_parameter);
	if (lie >= ANNEX_OUTSIDE_THE_REGION)
		future_with_annex(&honest);
	if (lie == OPEN_OUTSIDE_THE_REGION)
		honest.offset = le64_of(REGION_BYTES - 64);
	if (lie == OPEN_WITH_TOO_MANY_STRIPES)
		honest.parameters.parameter[1] = le64_of(1000);
	if (lie == DEVICE_FAILS || lie == DEVICE_FAILS_STRANGELY)
		honest.length_bytes = le64_of(REGION_BYTES / 2);
	reply(fd, request, WIRE_OK, &honest, sizeof honest - (lie == OPEN_TOO_SHORT ? 8 : 0));
}

static void held(int fd, const struct control_header *request)
{
	struct {
		struct control_holds page;
		struct control_hold hold;
		uint8_t name[3];
	} honest = {.page = {.cursor = le64_of(1), .count = le32_of(1)},
		    .hold = {.name_bytes = sizeof honest.name}};

	if (lie == HOLDS_TOO_MANY)
		honest.page.count = le32_of(65);
	if (lie == HOLDS_RANDOM)
		random_bytes((uint8_t *)&honest, sizeof honest);
	reply(fd, request, WIRE_OK, &honest, sizeof honest - (lie == HOLDS_CUT_SHORT));
}

static void listed(int fd, const struct control_header *request)
{
	struct {
		struct control_page page;
		struct control_entry entry;
		uint8_t name[3];
	} honest = {.page = {.cursor = le32_of(1), .count = le32_of(1)},
		    .entry = {.name_bytes = sizeof honest.name}};

	reply(fd, request, WIRE_OK, &honest, sizeof honest);
}

static void waited(int fd, const struct control_header *request)
{
	struct control_waited honest = {
		.taken = le64_of(lie == TAKEN_FOR_ANOTHER ? owned_word(1, 8) : 0)};

	if (lie == DEVICE_FAILS_IN_A_WAIT) {
		reply(fd, request, WIRE_DEVICE, NULL, 0);
		return;
	}
	reply(fd, request, WIRE_OK, &honest, sizeof honest - (lie == TAKEN_CUT_SHORT));
}

static void execute(int fd)
{
	struct data_response response = {.opcode = DATA_FAA};
	struct data_request request;
	uint8_t noise[1000];

	if (!take(fd, &request, sizeof request))
		return;
	if (lie == DATA_OF_ANOTHER_OPCODE)
		response.opcode = DATA_READ;
	if (lie == DATA_WITH_A_HUGE_LENGTH)
		response.length_bytes = le32_of(UINT32_MAX);
	random_bytes(noise, sizeof noise);
	if (lie == DATA_RANDOM)
		give(fd, noise, sizeof noise);
	else
		give(fd, &response, sizeof response);
}

/* Which is no lie: others had not been told of what was asked for. */
static void fenced(int fd)
{
	static const char sentence[] = "it was silent";
	struct control_header header = control_header_of(CONTROL_FENCED, 0, 0, sizeof sentence - 1);

	give(fd, &header, sizeof header);
	give(fd, sentence, sizeof sentence - 1);
}

/* The data path of a storaged that lies over its control connection alone: every word is 0. Or, as
 * if others were quicker each time, another number. */
static void execute_honestly(int fd)
{
	unsigned status = lie == DEVICE_FAILS             ? WIRE_DEVICE
			  : lie == DEVICE_FAILS_STRANGELY ? 60000
							  : WIRE_OK;
	struct data_request request;
	uint64_t number = 0;

	while (take(fd, &request, sizeof request)) {
		bool reads = request.opcode == DATA_READ && status == WIRE_OK;
		struct data_response response = {.opcode = request.opcode,
						 .status = le16_of((uint16_t)status),
						 .length_bytes = le32_of(reads ? 8 : 0)};
		uint64_t word = 0;

		if (lie == WORDS_THAT_CHANGE)
			response.value = le64_of(++number);
		give(fd, &response, sizeof response);
		give(fd, &word, reads ? sizeof word : 0);
	}
}

static void *serve(void *argument)
{
	int fd = (int)(intptr_t)argument;
	struct control_header request;
	uint8_t body[CONTROL_BODY_BYTES_MAX];

	while (lie != CLOSE_AT_ONCE && take(fd, &request, sizeof request) &&
	       le32_get(request.length_bytes) <= sizeof body &&
	       take(fd, body, le32_get(request.length_bytes))) {
		switch (le16_get(request.type)) {
		case CONTROL_HELLO:
			welcome(fd, &request);
			break;
		case CONTROL_ATTACH:
			reply(fd, &request, WIRE_OK, NULL, 0);
			if (lie < TAKEN_CUT_SHORT)
				execute(fd);
			else
				execute_honestly(fd);
			break;
		case CONTROL_OPEN:
			opened(fd, &request);
			break;
		case CONTROL_WAIT:
			if (lie == ANSWERS_OF_ANOTHER_TYPE)
				request.type = le16_of(CONTROL_WAKE);
			waited(fd, &request);
			break;
		case CONTROL_HELD:
			held(fd, &request);
			break;
		case CONTROL_LIST:
			if (lie == LISTING_THAT_NEVER_ENDS) {
				listed(fd, &request);
				break;
			}
			/* fall through */
		default:
			/* Not a heartbeat, or a notice. */
			if (lie == FENCED_INSTEAD_OF_AN_ANSWER &&
			    (int32_t)le32_get(request.request) > 0) {
				fenced(fd);
				break;
			}
			if (lie == ANSWERS_OF_ANOTHER_TYPE)
				request.type = le16_of(CONTROL_CLOSE);
			reply(fd, &request, WIRE_OK, NULL, 0);
		}
	}
	close(fd);
	return NULL;
}

static void *accept_all(void *unused)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	}
	return unused;
}

START_TEST(a_lying_storaged_costs_an_error_and_nothing_else)
{
	struct dso_options options = {.transport = "tcp", .timeout = DSO_SECOND / 5};
	struct dso_session *session = NULL;
	struct dso_counter *counter = NULL;
	int64_t begin_ns = awake_now_ns();
	int r;

	lie = (enum lie)(_i % LIE_COUNT);
	/* These are told at once: a loaded machine has all the time it takes. */
	if (lie >= OPEN_OUTSIDE_THE_REGION && lie < DATA_OF_ANOTHER_OPCODE)
		options.timeout = 20 * DSO_SECOND;
	r = dso_open(url, &options, &session);
	if (lie < OPEN_OUTSIDE_THE_REGION)
		ck_assert_msg(r < 0 && strlen(dso_error(NULL)) > 20, "lie %d: %d %s", (int)lie, r,
			      dso_error(NULL));
	if (r == 0)
		r = dso_counter_open(session, "c", NULL, &counter);
	if (lie >= OPEN_OUTSIDE_THE_REGION && lie < DATA_OF_ANOTHER_OPCODE)
		ck_assert_msg(r == -EPROTO, "lie %d: %d", (int)lie, r);
	if (r == 0)
		r = dso_counter_add(counter, 1, NULL);
	ck_assert_msg(r < 0, "lie %d was believed", (int)lie);
	ck_assert_int_lt(awake_now_ns() - begin_ns, PATIENCE);
	dso_close(session);
}
END_TEST

/* A session with a storaged that tells @told. That is told at once: a loaded machine has all the
 * time it takes. */
static struct dso_session *open_to(enum lie told)
{
	struct dso_options options = {.transport = "tcp", .timeout = 20 * DSO_SECOND};
	struct dso_session *session;

	lie = told;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	return session;
}

static struct dso_memory *memory_in(struct dso_session *session)
{
	struct dso_memory *memory;

	ck_assert_int_eq(dso_memory_open(session, "m", NULL, &memory), 0);
	return memory;
}

static int count_hold(const struct dso_hold *hold, void *context)
{
	(void)hold;
	++*(unsigned *)context;
	return 0;
}

START_TEST(lies_about_holds_are_not_believed)
{
	struct dso_session *session = open_to((enum lie)_i);
	unsigned count = 0;
	int r;

	r = dso_holds(session, count_hold, &count);
	ck_assert_msg(r == (lie == HOLDS_UNKNOWN ? -EOPNOTSUPP : -EPROTO), "lie %d: %d %s",
		      (int)lie, r, dso_error(session));
	ck_assert_uint_eq(count, lie == HOLDS_THAT_NEVER_END);
	ck_assert_int_eq(dso_ping(session, NULL), r == -EPROTO ? -ENOTCONN : 0);
	dso_close(session);
}
END_TEST

static int count_object(const struct dso_stat *stat, void *context)
{
	(void)stat;
	++*(unsigned *)context;
	return 0;
}

/* To all of these the liar says nothing more than that they are done. */
START_TEST(an_answer_that_is_too_short_ends_the_session)
{
	struct dso_session *session = open_to(TAKEN_CUT_SHORT);
	struct dso_server_stat server;
	struct dso_stat stat;
	unsigned count = 0;
	int r = _i == 0   ? dso_object_stat(session, "m", &stat)
		: _i == 1 ? dso_list(session, count_object, &count)
			  : dso_server_stat(session, &server);

	ck_assert_int_eq(r, -EPROTO);
	ck_assert_uint_eq(count, 0);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "broke the protocol"));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

START_TEST(a_listing_that_does_not_go_on_ends_the_session)
{
	struct dso_session *session = open_to(LISTING_THAT_NEVER_ENDS);
	unsigned count = 0;

	ck_assert_int_eq(dso_list(session, count_object, &count), -EPROTO);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

START_TEST(who_comes_too_late_for_the_whole_timeout_sets_no_counter)
{
	struct dso_options options = {.transport = "tcp", .timeout = 2 * DSO_SECOND};
	struct dso_session *session;
	struct dso_counter *counter;
	int64_t before = 99;

	lie = WORDS_THAT_CHANGE;
	ck_assert_msg(dso_open(url, &options, &session) == 0, "%s", dso_error(NULL));
	ck_assert_int_eq(dso_counter_open(session, "c", NULL, &counter), 0);
	ck_assert_int_eq(dso_counter_set(counter, 1), -ETIMEDOUT);
	ck_assert_int_eq(dso_counter_exchange(counter, 1, &before), -ETIMEDOUT);
	ck_assert_int_eq(before, 99);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	dso_close(session);
}
END_TEST

START_TEST(what_an_older_storaged_does_not_know_is_told)
{
	struct dso_session *session = open_to(NO_FEATURES);
	struct dso_memory *memory = memory_in(session);
	uint32_t woken = 9;
	unsigned count = 0;

	ck_assert_int_eq(dso_memory_wait(memory, 0, 0, DSO_SECOND), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "too old"));
	ck_assert_int_eq(dso_memory_wake(memory, 0, 1, &woken), -EOPNOTSUPP);
	ck_assert_int_eq(dso_memory_wake(memory, 0, 1, NULL), -EOPNOTSUPP);
	ck_assert_uint_eq(woken, 9);
	ck_assert_int_eq(dso_holds(session, count_hold, &count), -EOPNOTSUPP);
	ck_assert_int_eq(dso_ping(session, NULL), 0);
	/* What need not wait does not. */
	ck_assert_int_eq(dso_memory_wait(memory, 0, 1, DSO_SECOND), 0);
	dso_close(session);
}
END_TEST

START_TEST(lies_about_what_was_taken_are_not_believed)
{
	struct dso_session *session = open_to((enum lie)_i);
	struct dso_memory *memory = memory_in(session);
	int r;

	r = dso_memory_wait(memory, 0, 0, 20 * DSO_SECOND);
	ck_assert_msg(r == -ENOTCONN, "lie %d: %d %s", (int)lie, r, dso_error(session));
	dso_close(session);
}
END_TEST

/* ---- a device that fails ---- */

/* Open an object by a function of dso.h, with the parameters of what is there. */
#define OPENED(session, type)                                                               \
	({                                                                                  \
		struct dso_##type *opened_;                                                 \
		ck_assert_msg(dso_##type##_open(session, #type, NULL, &opened_) == 0, "%s", \
			      dso_error(session));                                          \
		opened_;                                                                    \
	})

static int read_memory(struct dso_session *session)
{
	uint64_t word;

	return dso_memory_read(OPENED(session, memory), 0, &word, sizeof word);
}

static int add_to_memory(struct dso_session *session)
{
	return dso_memory_fetch_add(OPENED(session, memory), 0, 1, NULL);
}

static int lock_mutex(struct dso_session *session)
{
	return dso_mutex_lock(OPENED(session, mutex), DSO_NOWAIT, NULL);
}

static int lock_mutex_for_token(struct dso_session *session)
{
	uint64_t token;

	return dso_mutex_lock(OPENED(session, mutex), DSO_NOWAIT, &token);
}

static int lock_to_read(struct dso_session *session)
{
	return dso_rwlock_rdlock(OPENED(session, rwlock), DSO_NOWAIT);
}

static int lock_to_write(struct dso_session *session)
{
	return dso_rwlock_wrlock(OPENED(session, rwlock), DSO_NOWAIT);
}

static int acquire_permit(struct dso_session *session)
{
	return dso_semaphore_acquire(OPENED(session, semaphore), 1, DSO_NOWAIT);
}

static int wait_at_barrier(struct dso_session *session)
{
	return dso_barrier_wait(OPENED(session, barrier), DSO_NOWAIT, NULL);
}

static int begin_once(struct dso_session *session)
{
	int mine;

	return dso_once_begin(OPENED(session, once), DSO_NOWAIT, &mine);
}

static const struct {
	int (*run)(struct dso_session *session);
	uint64_t first_parameter;
} operations[] = {
	{read_memory, 64},         {add_to_memory, 64},   {lock_mutex, 0},
	{lock_mutex_for_token, 0}, {lock_to_read, 64},    {lock_to_write, 64},
	{acquire_permit, 64},      {wait_at_barrier, 64}, {begin_once, 0},
};

#define OPERATIONS (int)(sizeof operations / sizeof *operations)

static void expect_lost(struct dso_session *session, int r)
{
	ck_assert_msg(r == -ECONNRESET, "%d %s", r, dso_error(session));
	ck_assert_msg(strstr(dso_error(session), "may or may not"), "%s", dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}

/* It may have taken a lock, which storaged takes back when the session is over. */
START_TEST(an_operation_whose_outcome_storaged_does_not_know_ends_the_session)
{
	struct dso_session *session =
		open_to(_i < OPERATIONS ? DEVICE_FAILS : DEVICE_FAILS_STRANGELY);

	first_parameter = operations[_i % OPERATIONS].first_parameter;
	expect_lost(session, operations[_i % OPERATIONS].run(session));
	first_parameter = 64;
}
END_TEST

START_TEST(a_wait_in_which_the_device_failed_ends_the_session)
{
	struct dso_session *session = open_to(DEVICE_FAILS_IN_A_WAIT);
	struct dso_memory *memory = memory_in(session);

	expect_lost(session, dso_memory_wait(memory, 0, 0, 20 * DSO_SECOND));
}
END_TEST

/* ---- answers that are none ---- */

static int wait_for_a_change(struct dso_session *session, struct dso_memory *memory)
{
	(void)session;
	return dso_memory_wait(memory, 0, 0, 20 * DSO_SECOND);
}

static int ping(struct dso_session *session, struct dso_memory *memory)
{
	(void)memory;
	return dso_ping(session, NULL);
}

static int delete (struct dso_session *session, struct dso_memory *memory)
{
	(void)memory;
	return dso_object_delete(session, "m");
}

static int wake(struct dso_session *session, struct dso_memory *memory)
{
	uint32_t woken;

	(void)session;
	return dso_memory_wake(memory, 0, 1, &woken);
}

static int (*const requests[])(struct dso_session *session,
			       struct dso_memory *memory) = {wait_for_a_change, ping, delete, wake};

START_TEST(an_answer_to_another_request_ends_the_session)
{
	struct dso_session *session = open_to(ANSWERS_OF_ANOTHER_TYPE);
	struct dso_memory *memory = memory_in(session);
	int r;

	r = requests[_i](session, memory);
	ck_assert_msg(r == -ENOTCONN || r == -ECONNRESET, "%d %s", r, dso_error(session));
	ck_assert_msg(strstr(dso_error(session), "another type"), "%s", dso_error(session));
	ck_assert_int_eq(dso_ping(session, NULL), -ENOTCONN);
	dso_close(session);
}
END_TEST

/* A DELETE is answered when everybody was told: without an answer it may have been done. Everything
 * else is answered at once, in order: without an answer it was not done. */
START_TEST(of_what_was_fenced_without_an_answer_only_a_deletion_may_have_been_done)
{
	struct dso_session *session = open_to(FENCED_INSTEAD_OF_AN_ANSWER);
	struct dso_memory *memory = memory_in(session);
	int r;

	r = requests[_i](session, memory);
	ck_assert_msg(r == (requests[_i] == delete ? -ECONNRESET : -ESHUTDOWN), "%d: %s", r,
		      dso_error(session));
	ck_assert_msg(strstr(dso_error(session), "it was silent"), "%s", dso_error(session));
	ck_assert_int_eq(delete (session, memory), -ESHUTDOWN);
	dso_close(session);
}
END_TEST

START_TEST(lies_about_where_a_value_lies_are_not_believed)
{
	struct dso_session *session = open_to((enum lie)_i);
	struct dso_future *future;
	int r;

	r = dso_future_open(session, "f", NULL, &future);
	ck_assert_msg(r == (lie == ANNEX_INSIDE ? 0 : -EPROTO), "lie %d: %d %s", (int)lie, r,
		      dso_error(session));
	dso_close(session);
}
END_TEST

int main(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof address;
	Suite *suite = suite_create("liar");
	TCase *tcase = tcase_create("liar");
	pthread_t thread;

	awake_begin();
	seed = (unsigned)number_of("LIAR_SEED", (int)time(NULL));
	printf("# LIAR_SEED=%u\n", seed);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&address, &address_bytes) ||
	    pthread_create(&thread, NULL, accept_all, NULL))
		return 1;
	snprintf(url, sizeof url, "dso://127.0.0.1:%u", ntohs(address.sin_port));
	tcase_add_loop_test(tcase, a_lying_storaged_costs_an_error_and_nothing_else, 0,
			    2 * LIE_COUNT);
	tcase_add_loop_test(tcase, lies_about_holds_are_not_believed, HOLDS_THAT_NEVER_END,
			    HOLDS_UNKNOWN + 1);
	tcase_add_loop_test(tcase, an_answer_that_is_too_short_ends_the_session, 0, 3);
	tcase_add_test(tcase, a_listing_that_does_not_go_on_ends_the_session);
	tcase_add_test(tcase, who_comes_too_late_for_the_whole_timeout_sets_no_counter);
	tcase_add_test(tcase, what_an_older_storaged_does_not_know_is_told);
	tcase_add_loop_test(tcase, lies_about_what_was_taken_are_not_believed, TAKEN_CUT_SHORT,
			    TAKEN_FOR_ANOTHER + 1);
	tcase_add_loop_test(tcase, lies_about_where_a_value_lies_are_not_believed,
			    ANNEX_OUTSIDE_THE_REGION, ANNEX_INSIDE + 1);
	tcase_add_loop_test(tcase, an_answer_to_another_request_ends_the_session, 0,
			    sizeof requests / sizeof *requests);
	tcase_add_loop_test(tcase,
			    of_what_was_fenced_without_an_answer_only_a_deletion_may_have_been_done,
			    1, sizeof requests / sizeof *requests);
	tcase_add_loop_test(tcase,
			    an_operation_whose_outcome_storaged_does_not_know_ends_the_session, 0,
			    2 * OPERATIONS);
	tcase_add_test(tcase, a_wait_in_which_the_device_failed_ends_the_session);
	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
