/* SPDX-License-Identifier: Apache-2.0 */
/* Who may connect, and how either side's end is noticed. Needs an RDMA device, else it is
 * skipped. */
#include "tests/await.h"
#include "lib/verbs/api.h"
#include "lib/verbs/host/test_host.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define TIMEOUT_NS 500000000LL

/* Far more than the timeout, after which the other side's end is noticed: a loaded virtual machine
 * may stand still. */
#define NOTICED_NS (120 * DSO_SECOND) /* a limit that only a hang reaches */

START_TEST(a_session_with_another_cookie_or_number_is_refused)
{
	struct host host = host_start();
	struct control_welcome wrong_cookie = host.welcome, wrong_session = host.welcome;
	struct transport *transport = NULL;
	struct host_answer answer;

	wrong_cookie.cookie[15] ^= 1;
	wrong_session.session = le64_of(HOST_SESSION + 1);
	ck_assert_int_eq(host_connect_with(&wrong_cookie, TRANSPORT_POLL_BUSY, HOST_TIMEOUT_NS,
					   NULL, &transport),
			 -EACCES);
	ck_assert_ptr_nonnull(strstr(host_reason, "refused"));
	ck_assert_int_eq(host_connect_with(&wrong_session, TRANSPORT_POLL_BUSY, HOST_TIMEOUT_NS,
					   NULL, &transport),
			 -EACCES);
	ck_assert_ptr_null(transport);
	answer = host_command(&host, HOST_COUNTS);
	ck_assert_int_eq(answer.admitted + answer.joined + answer.present, 0);
	transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	transport_ops(transport)->close(transport);
}
END_TEST

START_TEST(an_attempt_at_an_address_without_a_listener_ends_with_a_sentence)
{
	struct host host = host_start();
	struct control_welcome wrong_port = host.welcome, nobody = host.welcome,
			       nonsense = host.welcome;
	struct transport *transport = NULL;
	int64_t start;

	wrong_port.verbs_port = le16_of(1);
	ck_assert_int_eq(host_connect_with(&wrong_port, TRANSPORT_POLL_BUSY, HOST_TIMEOUT_NS, NULL,
					   &transport),
			 -ECONNREFUSED);
	ck_assert_ptr_nonnull(strstr(host_reason, "nobody listens"));
	/* An address of the documentation's block. */
	strcpy((char *)nobody.verbs_address, "192.0.2.1");
	start = test_clock_ns();
	ck_assert_int_lt(
		host_connect_with(&nobody, TRANSPORT_POLL_BUSY, TIMEOUT_NS, NULL, &transport), 0);
	ck_assert_ptr_nonnull(strstr(host_reason, "192.0.2.1"));
	ck_assert_int_lt(test_clock_ns() - start, NOTICED_NS);
	memset(nonsense.verbs_address, 'x', sizeof nonsense.verbs_address);
	ck_assert_int_eq(
		host_connect_with(&nonsense, TRANSPORT_POLL_BUSY, TIMEOUT_NS, NULL, &transport),
		-EPROTO);
	ck_assert_ptr_null(transport);
}
END_TEST

START_TEST(an_attempt_whose_time_was_over_before_it_began_is_late)
{
	struct host host = host_start();
	struct transport *transport = NULL;

	ck_assert_int_eq(host_connect_with(&host.welcome, TRANSPORT_POLL_BUSY, 0, NULL, &transport),
			 -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(host_reason, "in time"));
	ck_assert_ptr_null(transport);
}
END_TEST

START_TEST(the_device_that_was_asked_for_is_used_or_nothing_is)
{
	struct host host = host_start();
	struct transport *transport = NULL;
	struct attachment attachment = {.welcome = &host.welcome,
					.device = "nonesuch0",
					.connect_deadline_ns = test_clock_ns() + HOST_TIMEOUT_NS,
					.timeout_ns = HOST_TIMEOUT_NS,
					.reason = host_reason,
					.reason_bytes = sizeof host_reason};
	struct verbs_device *device;

	ck_assert_int_eq(transport_verbs_connect(&attachment, &transport), -ENODEV);
	ck_assert_ptr_nonnull(strstr(host_reason, "nonesuch0"));
	ck_assert_int_eq(verbs_device_open(NULL, &device, host_reason, sizeof host_reason), 0);
	attachment.device = verbs_device_name(device);
	attachment.connect_deadline_ns = test_clock_ns() + HOST_TIMEOUT_NS;
	ck_assert_msg(transport_verbs_connect(&attachment, &transport) == 0, "%s", host_reason);
	transport_ops(transport)->close(transport);
	verbs_device_close(device);
}
END_TEST

START_TEST(a_client_that_closes_has_left)
{
	struct host host = host_start();
	struct host_answer answer;

	for (int i = 1; i <= 20; i++) {
		struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);

		answer = host_command(&host, HOST_COUNTS);
		ck_assert_int_eq(answer.joined, i);
		transport_ops(transport)->close(transport);
		for (int tries = 0; tries < 500 && answer.left < i; tries++) {
			usleep(2000);
			answer = host_command(&host, HOST_COUNTS);
		}
		ck_assert_int_eq(answer.left, i);
		ck_assert_int_eq(answer.present, 0);
	}
}
END_TEST

static void ends_with_access_error(const struct control_welcome *welcome, struct op before,
				   struct op bad)
{
	struct transport *transport = NULL;
	struct op behind = op_faa(64, 1), unsent = op_faa(64, 1);
	const struct transport_ops *calls;

	ck_assert_int_eq(
		host_connect_with(welcome, TRANSPORT_POLL_BUSY, HOST_TIMEOUT_NS, NULL, &transport),
		0);
	calls = transport_ops(transport);
	if (before.opcode)
		ck_assert_int_eq(calls->submit(transport, &before), 0);
	ck_assert_int_eq(calls->submit(transport, &bad), 0);
	ck_assert_int_eq(calls->submit(transport, &behind), 0);
	ck_assert_int_eq(calls->flush(transport), 0);
	ck_assert_int_eq(calls->submit(transport, &unsent), 0);
	test_wait(transport, &unsent);
	ck_assert_int_eq(before.status, 0);
	ck_assert_int_eq(bad.status, -EACCES);
	/* What waits for a READ may not have been sent yet. */
	ck_assert(behind.status == -ECONNRESET ||
		  (bad.opcode == DATA_READ && behind.status == -ENOTCONN));
	ck_assert_int_eq(unsent.status, -ENOTCONN);
	ck_assert_ptr_nonnull(strstr(host_breakage, "remote access error"));
	ck_assert_int_eq(calls->submit(transport, &unsent), -ENOTCONN);
	ck_assert_int_eq(calls->flush(transport), -ENOTCONN);
	ck_assert_int_eq(calls->progress(transport, DSO_SECOND), -ENOTCONN);
	calls->close(transport);
}

START_TEST(a_wrong_key_or_range_is_refused_by_the_device_and_breaks_that_connection_alone)
{
	struct host host = host_start();
	struct transport *bystander = host_connect(&host, TRANSPORT_POLL_BUSY);
	struct control_welcome wrong_key = host.welcome, wide = host.welcome;
	struct op faa = op_faa(64, 1);
	uint8_t bytes[2] = {1};

	wide.region_bytes = le64_of(2 * HOST_REGION_BYTES);
	ends_with_access_error(&wide, op_faa(64, 1), op_faa(HOST_REGION_BYTES, 1));
	ends_with_access_error(&wide, op_faa(64, 1),
			       op_bytes(DATA_READ, HOST_REGION_BYTES, bytes, 1));
	ends_with_access_error(&wide, op_faa(64, 1),
			       op_bytes(DATA_WRITE, HOST_REGION_BYTES - 1, bytes, 2));
	wrong_key.region_rkey = le32_of(le32_get(host.welcome.region_rkey) ^ 1);
	ends_with_access_error(&wrong_key, (struct op){0}, op_faa(64, 1));
	ck_assert_int_eq(test_execute(bystander, &faa), 0);
	ck_assert_uint_eq(faa.value, 3);
	transport_ops(bystander)->close(bystander);
}
END_TEST

/* ---- ends while operations are in flight ---- */

#define RING_COUNT 256

struct load {
	struct op ops[RING_COUNT];
	uint64_t submitted;
	uint64_t executed; /* status 0 */
	uint64_t unknown;  /* -ECONNRESET */
};

static void reap(struct load *load, uint64_t *oldest)
{
	while (*oldest < load->submitted) {
		int status = load->ops[*oldest % RING_COUNT].status;

		if (status == -EINPROGRESS)
			return;
		if (status == 0) /* nothing succeeds behind what failed */
			ck_assert_uint_eq(load->unknown, 0);
		load->executed += status == 0;
		load->unknown += status == -ECONNRESET;
		ck_assert(status == 0 || status == -ECONNRESET || status == -ENOTCONN);
		++*oldest;
	}
}

/* Add 1 to the word at 64 as fast as it goes until the transport breaks or @until. */
static void run_load(struct transport *transport, struct load *load, int64_t until)
{
	const struct transport_ops *calls = transport_ops(transport);
	uint64_t oldest = 0;
	int status = 0;

	*load = (struct load){0};
	while (status == 0 && test_clock_ns() < until) {
		while (load->submitted - oldest < RING_COUNT) {
			struct op *op = &load->ops[load->submitted % RING_COUNT];

			*op = op_faa(64, 1);
			if (calls->submit(transport, op))
				break;
			load->submitted++;
		}
		status = calls->flush(transport);
		calls->progress(transport, TIMEOUT_NS);
		reap(load, &oldest);
	}
	while (oldest < load->submitted && test_clock_ns() < until) {
		calls->progress(transport, TIMEOUT_NS);
		reap(load, &oldest);
	}
	ck_assert_uint_eq(oldest, load->submitted);
}

struct client {
	struct transport *transport;
	struct load load;
	uint64_t value_before;
	int64_t ended_ns;
	pthread_t thread;
};

static void *client_main(void *context)
{
	struct client *client = context;

	run_load(client->transport, &client->load, test_clock_ns() + 2 * NOTICED_NS);
	client->ended_ns = test_clock_ns();
	return NULL;
}

static uint64_t added(const struct client *client, const struct host *host)
{
	uint64_t value;

	memcpy(&value, host->memory + 64, sizeof value);
	return value - client->value_before;
}

static void client_start(struct client *client, const struct host *host, enum transport_poll poll)
{
	client->transport = host_connect_with_timeout(host, poll, TIMEOUT_NS);
	client->value_before = 0;
	client->value_before = added(client, host);
	ck_assert_int_eq(pthread_create(&client->thread, NULL, client_main, client), 0);
	/* Some rounds of the ring, so that the fault finds it turning. */
	AWAIT(added(client, host) >= 3 * RING_COUNT);
}

static void client_end(struct client *client, const struct host *host, int64_t fault_ns)
{
	uint64_t value;

	pthread_join(client->thread, NULL);
	ck_assert_int_lt(client->ended_ns - fault_ns, NOTICED_NS);
	value = added(client, host);
	ck_assert_uint_gt(client->load.executed, 0);
	ck_assert_uint_le(client->load.executed, value);
	ck_assert_uint_le(value, client->load.executed + client->load.unknown);
	transport_ops(client->transport)->close(client->transport);
}

START_TEST(a_peer_destroyed_by_the_host_notices_and_changes_nothing_from_then_on)
{
	struct host host = host_start();

	for (unsigned round = 0; round < 10; round++) {
		struct client client;
		int64_t fault_ns;
		uint64_t after, later;

		client_start(&client, &host, round % 3);
		fault_ns = test_clock_ns();
		ck_assert_int_eq(host_command(&host, HOST_DESTROY).present, 0);
		memcpy(&after, host.memory + 64, sizeof after);
		usleep(20000);
		memcpy(&later, host.memory + 64, sizeof later);
		ck_assert_uint_eq(after, later);
		client_end(&client, &host, fault_ns);
	}
}
END_TEST

START_TEST(a_host_that_falls_silent_is_noticed)
{
	struct host host = host_start();
	struct client client;
	int64_t fault_ns;

	client_start(&client, &host, _i);
	fault_ns = test_clock_ns();
	host_command(&host, HOST_DESTROY_SILENTLY);
	client_end(&client, &host, fault_ns);
	/* Its retries are over, or the transport's patience is. */
	ck_assert_msg(strstr(host_breakage, "retry counter exceeded") ||
			      strstr(host_breakage, "completed nothing"),
		      "%s", host_breakage);
}
END_TEST

START_TEST(a_killed_host_is_noticed)
{
	struct host host = host_start();
	struct client client;
	int64_t fault_ns;

	client_start(&client, &host, _i);
	fault_ns = test_clock_ns();
	host_kill(&host);
	client_end(&client, &host, fault_ns);
}
END_TEST

START_TEST(a_host_killed_while_nothing_was_in_flight_is_noticed_by_the_next_operation)
{
	struct host host = host_start();
	struct transport *transport = host_connect_with_timeout(&host, _i, TIMEOUT_NS);
	struct op op = op_faa(64, 1);
	int64_t start;

	ck_assert_int_eq(test_execute(transport, &op), 0);
	host_kill(&host);
	usleep(20000);
	start = test_clock_ns();
	ck_assert_int_eq(test_execute(transport, &op), -ECONNRESET);
	ck_assert_int_lt(test_clock_ns() - start, NOTICED_NS);
	ck_assert_int_eq(test_execute(transport, &op), -ENOTCONN);
	transport_ops(transport)->close(transport);
}
END_TEST

START_TEST(a_disconnect_wakes_the_thread_that_polls_the_descriptor)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BLOCK);
	const struct transport_ops *calls = transport_ops(transport);
	struct op op = op_faa(64, 1);
	struct pollfd descriptor = {.fd = calls->fd(transport), .events = POLLIN};

	ck_assert_int_eq(poll(&descriptor, 1, 0), 0);
	host_command(&host, HOST_DESTROY);
	ck_assert_int_eq(calls->submit(transport, &op), 0);
	ck_assert_int_eq(calls->flush(transport), 0);
	for (unsigned i = 0; i < 1000 && op.status == -EINPROGRESS; i++) {
		ck_assert_int_eq(poll(&descriptor, 1, 1000), 1);
		calls->progress(transport, 0);
		calls->fd(transport);
	}
	ck_assert_int_eq(op.status, -ECONNRESET);
	ck_assert_str_eq(host_breakage, "storaged's end of the queue pair was disconnected");
	calls->close(transport);
}
END_TEST

static const struct {
	enum rdma_cm_event_type type;
	const char *why;
} events[] = {
	{RDMA_CM_EVENT_DISCONNECTED, "storaged's end of the queue pair was disconnected"},
	{RDMA_CM_EVENT_TIMEWAIT_EXIT, "storaged's end of the queue pair was disconnected"},
	{RDMA_CM_EVENT_REJECTED, "storaged's end of the queue pair was disconnected"},
	{RDMA_CM_EVENT_DEVICE_REMOVAL, "this host's RDMA device was removed"},
	{RDMA_CM_EVENT_CONNECT_ERROR, "rdma_cm could not finish connecting the queue pair"},
};

static struct rdma_cm_event end_event;

static int get_end_event(struct rdma_event_channel *channel, struct rdma_cm_event **ret_event)
{
	(void)channel;
	*ret_event = &end_event;
	return 0;
}

static int ack_end_event(struct rdma_cm_event *event)
{
	(void)event;
	return 0;
}

START_TEST(each_event_by_which_a_connection_ends_is_told)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	struct verbs_api real = verbs_api;
	struct op op = op_faa(64, 1);

	host_command(&host, HOST_DESTROY_SILENTLY);
	end_event.event = events[_i].type;
	verbs_api.cm.get_cm_event = get_end_event;
	verbs_api.cm.ack_cm_event = ack_end_event;
	ck_assert_int_eq(test_execute(transport, &op), -ECONNRESET);
	ck_assert_str_eq(host_breakage, events[_i].why);
	verbs_api = real;
	transport_ops(transport)->close(transport);
}
END_TEST

static _Atomic int health;

static void *fall_ill(void *unused)
{
	usleep(50000);
	atomic_store(&health, -ESHUTDOWN);
	return unused;
}

START_TEST(a_wait_ends_when_the_control_plane_gives_up)
{
	struct host host = host_start();
	struct transport *transport = NULL;
	struct op op = op_faa(64, 1);
	pthread_t thread;
	int64_t start;

	atomic_store(&health, 0);
	ck_assert_int_eq(
		host_connect_with(&host.welcome, _i, 3600 * DSO_SECOND, &health, &transport), 0);
	host_command(&host, HOST_DESTROY_SILENTLY);
	ck_assert_int_eq(pthread_create(&thread, NULL, fall_ill, NULL), 0);
	start = test_clock_ns();
	ck_assert_int_eq(test_execute(transport, &op), -ECONNRESET);
	ck_assert_int_lt(test_clock_ns() - start, NOTICED_NS);
	ck_assert_str_eq(host_breakage, "the session was over");
	pthread_join(thread, NULL);
	transport_ops(transport)->close(transport);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verbs listener");
	TCase *admission = tcase_create("admission"), *ends = tcase_create("ends");

	if (!test_have_device())
		return 0;
	tcase_set_timeout(admission, 300);
	tcase_set_timeout(ends, 300);
	tcase_add_test(admission, a_session_with_another_cookie_or_number_is_refused);
	tcase_add_test(admission, an_attempt_at_an_address_without_a_listener_ends_with_a_sentence);
	tcase_add_test(admission, an_attempt_whose_time_was_over_before_it_began_is_late);
	tcase_add_test(admission, the_device_that_was_asked_for_is_used_or_nothing_is);
	tcase_add_test(admission, a_client_that_closes_has_left);
	tcase_add_test(
		admission,
		a_wrong_key_or_range_is_refused_by_the_device_and_breaks_that_connection_alone);
	suite_add_tcase(suite, admission);
	/* The loops run over the poll policies. */
	tcase_add_test(ends, a_peer_destroyed_by_the_host_notices_and_changes_nothing_from_then_on);
	tcase_add_loop_test(ends, a_host_that_falls_silent_is_noticed, 0, 3);
	tcase_add_loop_test(ends, a_killed_host_is_noticed, 0, 3);
	tcase_add_loop_test(
		ends, a_host_killed_while_nothing_was_in_flight_is_noticed_by_the_next_operation, 0,
		3);
	tcase_add_test(ends, a_disconnect_wakes_the_thread_that_polls_the_descriptor);
	tcase_add_loop_test(ends, each_event_by_which_a_connection_ends_is_told, 0,
			    sizeof events / sizeof *events);
	tcase_add_loop_test(ends, a_wait_ends_when_the_control_plane_gives_up, 0, 3);
	suite_add_tcase(suite, ends);
	return run_suite_forked(suite);
}
