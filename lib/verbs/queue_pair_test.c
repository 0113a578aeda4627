/* SPDX-License-Identifier: Apache-2.0 */
/* Needs an RDMA device (rdma_rxe will do), else it is skipped. */
#include "lib/verbs/api.h"
#include "lib/verbs/queue_pair.h"
#include "lib/verbs/host/test_host.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t word(const struct host *host, uint64_t offset)
{
	uint64_t value;

	memcpy(&value, host->memory + offset, sizeof value);
	return value;
}

static void fill(uint8_t *bytes, size_t count, unsigned seed)
{
	for (size_t i = 0; i < count; i++)
		bytes[i] = seed + i * 31 + (i >> 8);
}

static const uint32_t lengths[] = {1,   2,    7,    8,    63,   64,    65,    255,
				   256, 1023, 1024, 1025, 4096, 16385, 65535, 65536};

START_TEST(what_a_write_of_any_length_stores_a_read_returns)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	uint8_t *sent = malloc(DATA_TRANSFER_BYTES_MAX),
		*received = malloc(DATA_TRANSFER_BYTES_MAX);

	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		for (uint64_t offset = 0; offset < 3 * 4097; offset += 4097) {
			uint32_t length = lengths[i];
			struct op write = op_bytes(DATA_WRITE, offset, sent, length);
			struct op read = op_bytes(DATA_READ, offset, received, length);

			fill(sent, length, i + offset);
			memset(received, 0, length);
			host.memory[offset + length] = 0x77;
			ck_assert_int_eq(test_execute(transport, &write), 0);
			ck_assert_mem_eq(host.memory + offset, sent, length);
			ck_assert_uint_eq(host.memory[offset + length], 0x77);
			ck_assert_int_eq(test_execute(transport, &read), 0);
			ck_assert_mem_eq(received, sent, length);
		}
	}
	transport_ops(transport)->close(transport);
	free(sent);
	free(received);
}
END_TEST

START_TEST(the_last_byte_of_the_region_can_be_reached)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	uint8_t byte = 0x5a;
	struct op write = op_bytes(DATA_WRITE, HOST_REGION_BYTES - 1, &byte, 1);
	struct op faa = op_faa(HOST_REGION_BYTES - 8, 1);

	ck_assert_int_eq(test_execute(transport, &write), 0);
	ck_assert_uint_eq(host.memory[HOST_REGION_BYTES - 1], 0x5a);
	ck_assert_int_eq(test_execute(transport, &faa), 0);
	ck_assert_uint_eq(faa.value, 0x5aULL << 56);
	transport_ops(transport)->close(transport);
}
END_TEST

START_TEST(atomics_return_the_value_before_and_store_in_host_order)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_ADAPTIVE);
	struct op faa = op_faa(64, 0x0123456789abcdefULL);
	struct op wrap = op_faa(64, -0x0123456789abcdf0ULL);
	struct op miss = {.opcode = DATA_CAS, .length_bytes = 8, .offset = 64, .operand = 5};
	struct op hit = {.opcode = DATA_CAS,
			 .length_bytes = 8,
			 .offset = 64,
			 .operand = -1ULL,
			 .swap = 0xfeedULL};

	ck_assert_int_eq(test_execute(transport, &faa), 0);
	ck_assert_uint_eq(faa.value, 0);
	ck_assert_uint_eq(word(&host, 64), 0x0123456789abcdefULL);
	ck_assert_int_eq(test_execute(transport, &wrap), 0);
	ck_assert_uint_eq(word(&host, 64), -1ULL);
	ck_assert_int_eq(test_execute(transport, &miss), 0);
	ck_assert_uint_eq(miss.value, -1ULL);
	ck_assert_uint_eq(word(&host, 64), -1ULL);
	ck_assert_int_eq(test_execute(transport, &hit), 0);
	ck_assert_uint_eq(hit.value, -1ULL);
	ck_assert_uint_eq(word(&host, 64), 0xfeed);
	transport_ops(transport)->close(transport);
}
END_TEST

START_TEST(as_many_operations_as_a_transport_holds_are_in_flight_and_complete_in_order)
{
	static struct op ops[TRANSPORT_INFLIGHT_MAX], one_more;
	struct host host = host_start();
	struct transport *transport = host_connect(&host, _i);
	const struct transport_ops *calls = transport_ops(transport);

	for (unsigned round = 0; round < 5; round++) {
		unsigned done = 0;

		for (unsigned i = 0; i < TRANSPORT_INFLIGHT_MAX; i++) {
			ops[i] = op_faa(128, 1);
			ck_assert_int_eq(calls->submit(transport, &ops[i]), 0);
			if (i % 7 == round)
				ck_assert_int_eq(calls->flush(transport), 0);
		}
		one_more = op_faa(128, 1);
		if (round == 0) /* else earlier flushes may have made room */
			ck_assert_int_eq(calls->submit(transport, &one_more), -EAGAIN);
		ck_assert_int_eq(calls->flush(transport), 0);
		while (done < TRANSPORT_INFLIGHT_MAX) {
			ck_assert_int_eq(calls->progress(transport, DSO_SECOND), 0);
			for (unsigned i = done; i < TRANSPORT_INFLIGHT_MAX; i++) {
				if (ops[i].status == -EINPROGRESS)
					continue;
				ck_assert_uint_eq(i, done);
				ck_assert_int_eq(ops[i].status, 0);
				ck_assert_uint_eq(ops[i].value,
						  (uint64_t)round * TRANSPORT_INFLIGHT_MAX + i);
				done++;
			}
		}
	}
	ck_assert_uint_eq(word(&host, 128), 5 * TRANSPORT_INFLIGHT_MAX);
	calls->close(transport);
}
END_TEST

START_TEST(a_batch_is_executed_in_the_order_of_its_submission)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	const struct transport_ops *calls = transport_ops(transport);
	uint8_t first[3000], second[3000], seen_first[3000], seen_second[3000];

	for (unsigned round = 0; round < 500; round++) {
		struct op batch[] = {
			op_bytes(DATA_WRITE, 200, first, sizeof first),
			op_bytes(DATA_READ, 200, seen_first, sizeof first),
			op_faa(4096, 1),
			op_bytes(DATA_WRITE, 200, second, sizeof second),
			op_bytes(DATA_READ, 200, seen_second, sizeof second),
			op_faa(4096, 1),
		};

		fill(first, sizeof first, round);
		fill(second, sizeof second, round + 1);
		for (unsigned i = 0; i < 6; i++)
			ck_assert_int_eq(calls->submit(transport, &batch[i]), 0);
		ck_assert_int_eq(calls->flush(transport), 0);
		ck_assert_int_eq(test_wait(transport, &batch[5]), 0);
		ck_assert_mem_eq(seen_first, first, sizeof first);
		ck_assert_mem_eq(seen_second, second, sizeof second);
		ck_assert_uint_eq(batch[5].value, 2 * round + 1);
	}
	calls->close(transport);
}
END_TEST

START_TEST(a_transport_whose_buffers_are_full_says_so_and_goes_on)
{
	enum { COUNT = 64, BYTES = 60001 };
	static struct op ops[COUNT];
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BLOCK);
	const struct transport_ops *calls = transport_ops(transport);
	uint8_t *buffers = malloc((size_t)COUNT * BYTES);
	unsigned full = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		uint8_t *buffer = buffers + (size_t)i * BYTES;
		int status;

		fill(buffer, BYTES, i);
		ops[i] = op_bytes(i % 2 ? DATA_READ : DATA_WRITE, 64, buffer, BYTES);
		while ((status = calls->submit(transport, &ops[i])) == -EAGAIN) {
			full++;
			ck_assert_int_eq(calls->flush(transport), 0);
			ck_assert_int_eq(calls->progress(transport, DSO_SECOND), 0);
		}
		ck_assert_int_eq(status, 0);
	}
	ck_assert_int_eq(calls->flush(transport), 0);
	ck_assert_int_eq(test_wait(transport, &ops[COUNT - 1]), 0);
	ck_assert_uint_gt(full, 0);
	for (unsigned i = 0; i < COUNT; i += 2)
		ck_assert_mem_eq(buffers + (size_t)i * BYTES, buffers + (size_t)(i + 1) * BYTES,
				 BYTES);
	calls->close(transport);
	free(buffers);
}
END_TEST

START_TEST(what_cannot_be_right_is_refused_in_its_turn_and_breaks_nothing)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	const struct transport_ops *calls = transport_ops(transport);
	uint8_t byte = 1;
	struct op batch[] = {
		op_faa(HOST_REGION_BYTES, 1),
		op_faa(64, 1),
		op_faa(68, 1),
		op_faa(HOST_REGION_BYTES - 4, 1),
		op_faa(64, 1),
		op_bytes(DATA_READ, -1ULL, &byte, 1),
		op_bytes(DATA_WRITE, HOST_REGION_BYTES - 1, &byte, 2),
		op_bytes(DATA_WRITE, 0, &byte, 0),
		op_bytes(DATA_WRITE, 0, &byte, DATA_TRANSFER_BYTES_MAX + 1),
	};
	const int expected[] = {-ERANGE, 0,       -EINVAL, -EINVAL, 0,
				-ERANGE, -ERANGE, -EINVAL, -EINVAL};
	struct op alone = op_faa(HOST_REGION_BYTES + 8, 1), after = op_faa(64, 1);

	for (unsigned i = 0; i < sizeof batch / sizeof *batch; i++)
		ck_assert_int_eq(calls->submit(transport, &batch[i]), 0);
	ck_assert_int_eq(batch[0].status, -EINPROGRESS);
	ck_assert_int_eq(calls->flush(transport), 0);
	test_wait(transport, &batch[8]);
	for (unsigned i = 0; i < sizeof batch / sizeof *batch; i++)
		ck_assert_int_eq(batch[i].status, expected[i]);
	ck_assert_int_eq(test_execute(transport, &alone), -ERANGE);
	ck_assert_int_eq(test_execute(transport, &after), 0);
	ck_assert_uint_eq(after.value, 2);
	calls->close(transport);
}
END_TEST

START_TEST(the_descriptor_is_readable_when_something_completed_and_only_then)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BLOCK);
	const struct transport_ops *calls = transport_ops(transport);

	for (unsigned round = 0; round < 200; round++) {
		struct op op = op_faa(64, 1);
		struct pollfd descriptor = {.events = POLLIN};

		ck_assert_int_eq(calls->submit(transport, &op), 0);
		if (round % 2) /* armed before the completion, and after it */
			descriptor.fd = calls->fd(transport);
		ck_assert_int_eq(calls->flush(transport), 0);
		if (round % 2 == 0) {
			usleep(500);
			descriptor.fd = calls->fd(transport);
		}
		ck_assert_int_ge(descriptor.fd, 0);
		while (op.status == -EINPROGRESS) {
			ck_assert_int_eq(poll(&descriptor, 1, 1000), 1);
			calls->progress(transport, 0);
			descriptor.fd = calls->fd(transport);
		}
		ck_assert_int_eq(op.status, 0);
		calls->progress(transport, 0); /* takes what an event said too often */
		if (round > 150) {
			descriptor.fd = calls->fd(transport);
			calls->progress(transport, 0);
			ck_assert_int_eq(poll(&descriptor, 1, 2), 0);
		}
	}
	calls->close(transport);
}
END_TEST

/* ---- the driver's functions, in which tests put their own ---- */

static struct verbs_api real;

static int ask_for_the_shortest_ack_timeout(struct rdma_cm_id *id, int level, int option,
					    void *value, size_t bytes)
{
	uint8_t shortest = 1;

	(void)value;
	return real.cm.set_option(id, level, option, &shortest, bytes);
}

static int connect_for_ever(struct rdma_cm_id *id, struct rdma_conn_param *parameters)
{
	parameters->retry_count = 7;
	return real.cm.connect(id, parameters);
}

/* The device takes for lost what is only under way, and sends it again, time and again. */
static struct transport *connect_impatiently(const struct host *host)
{
	struct transport *transport;

	ck_assert_int_eq(verbs_api_load(host_reason, sizeof host_reason), 0);
	real = verbs_api;
	verbs_api.cm.set_option = ask_for_the_shortest_ack_timeout;
	verbs_api.cm.connect = connect_for_ever;
	transport = host_connect(host, TRANSPORT_POLL_BUSY);
	verbs_api = real;
	return transport;
}

START_TEST(what_waits_for_an_earlier_operation_stands_that_the_device_sends_again)
{
	enum { COUNT = 16 };
	static struct op ops[COUNT][3];
	struct host host = host_start();
	struct transport *transport = connect_impatiently(&host);
	const struct transport_ops *calls = transport_ops(transport);
	uint64_t seen[COUNT];

	for (unsigned round = 0; round < 300; round++) {
		for (unsigned i = 0; i < COUNT; i++) {
			ops[i][0] = op_bytes(DATA_READ, 64, &seen[i], 8);
			ops[i][1] = op_faa(64, 1);
			ops[i][2] = op_bytes(DATA_READ, 128, &seen[i], 8);
			for (unsigned j = 0; j < 3; j++)
				ck_assert_int_eq(calls->submit(transport, &ops[i][j]), 0);
		}
		ck_assert_int_eq(calls->flush(transport), 0);
		ck_assert_msg(test_wait(transport, &ops[COUNT - 1][2]) == 0, "round %u: %s", round,
			      host_breakage);
		for (unsigned i = 0; i < COUNT; i++)
			ck_assert_uint_eq(ops[i][1].value, (uint64_t)round * COUNT + i);
	}
	calls->close(transport);
}
END_TEST

static int (*post_send)(struct ibv_qp *qp, struct ibv_send_wr *first, struct ibv_send_wr **refused);
static unsigned posted_count, fenced_count, doorbell_count;

/* Hands over what comes without its fences. */
static int count_posts(struct ibv_qp *qp, struct ibv_send_wr *first, struct ibv_send_wr **refused)
{
	doorbell_count++;
	for (struct ibv_send_wr *request = first; request; request = request->next) {
		posted_count++;
		fenced_count += (request->send_flags & IBV_SEND_FENCE) != 0;
		request->send_flags &= ~(unsigned)IBV_SEND_FENCE;
	}
	return post_send(qp, first, refused);
}

static void put_in(struct queue_pair *queue_pair,
		   int (*function)(struct ibv_qp *, struct ibv_send_wr *, struct ibv_send_wr **))
{
	struct ibv_context_ops *ops = &queue_pair->qp->context->ops;

	post_send = ops->post_send;
	ops->post_send = function;
}

START_TEST(a_device_that_can_fence_is_told_to_and_one_that_cannot_gets_it_later)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	struct queue_pair *queue_pair = (struct queue_pair *)transport;
	const struct transport_ops *calls = transport_ops(transport);
	uint8_t byte;
	/* An atomic waits for READs, a WRITE for atomics too, and a READ for nothing. */
	struct op ops[] = {op_bytes(DATA_READ, 8, &byte, 1),
			   op_faa(64, 1),
			   op_bytes(DATA_READ, 8, &byte, 1),
			   op_faa(64, 1),
			   op_faa(64, 1),
			   op_bytes(DATA_WRITE, 8, &byte, 1)};

	queue_pair->fences = _i;
	put_in(queue_pair, count_posts);
	for (unsigned i = 0; i < sizeof ops / sizeof *ops; i++)
		ck_assert_int_eq(calls->submit(transport, &ops[i]), 0);
	ck_assert_int_eq(calls->flush(transport), 0);
	ck_assert_uint_eq(doorbell_count, 1);
	ck_assert_uint_eq(posted_count, _i ? 6 : 1);
	ck_assert_int_eq(test_wait(transport, &ops[5]), 0);
	ck_assert_uint_eq(ops[4].value, 2);
	ck_assert_uint_eq(posted_count, 6);
	ck_assert_uint_eq(doorbell_count, _i ? 1 : 4);
	ck_assert_uint_eq(fenced_count, _i ? 3 : 0);
	calls->close(transport);
}
END_TEST

static int refuse_the_third(struct ibv_qp *qp, struct ibv_send_wr *first,
			    struct ibv_send_wr **refused)
{
	struct ibv_send_wr *third = first->next->next;
	int error;

	first->next->next = NULL;
	error = post_send(qp, first, refused);
	*refused = third;
	return error ? error : ENOMEM;
}

START_TEST(a_request_that_the_device_does_not_take_was_never_sent_and_the_errno_is_told)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	const struct transport_ops *calls = transport_ops(transport);
	struct op ops[4] = {op_faa(64, 1), op_faa(64, 1), op_faa(64, 1), op_faa(64, 1)};

	put_in((struct queue_pair *)transport, refuse_the_third);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(calls->submit(transport, &ops[i]), 0);
	ck_assert_int_eq(calls->flush(transport), -ENOTCONN);
	for (unsigned i = 0; i < 2; i++)
		ck_assert(ops[i].status == 0 || ops[i].status == -ECONNRESET);
	for (unsigned i = 2; i < 4; i++)
		ck_assert_int_eq(ops[i].status, -ENOTCONN);
	ck_assert_str_eq(host_breakage,
			 "the RDMA device took no work request: Cannot allocate memory");
	calls->close(transport);
}
END_TEST

START_TEST(what_the_descriptor_takes_begins_the_timeout_anew)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_BUSY);
	struct queue_pair *queue_pair = (struct queue_pair *)transport;
	const struct transport_ops *calls = transport_ops(transport);
	struct op op = op_faa(64, 1);

	ck_assert_int_eq(calls->submit(transport, &op), 0);
	ck_assert_int_eq(calls->flush(transport), 0);
	peer_timeout_begin(&queue_pair->timeout, 1, 1);
	while (op.status == -EINPROGRESS)
		ck_assert_int_ge(calls->fd(transport), 0);
	ck_assert_int_eq(queue_pair->timeout.until_ns, 0);
	calls->close(transport);
}
END_TEST

START_TEST(a_device_has_at_least_the_timeout_for_its_retries)
{
	for (int64_t timeout_ns = 1; timeout_ns < 3600 * DSO_SECOND; timeout_ns *= 3) {
		uint8_t exponent = queue_pair_ack_timeout(timeout_ns);
		int64_t whole_ns = (QUEUE_PAIR_RETRY_COUNT + 1) * (4096LL << exponent);

		ck_assert_int_ge(whole_ns, timeout_ns);
		ck_assert(exponent == 8 || whole_ns / 2 < timeout_ns);
	}
}
END_TEST

struct adder {
	const struct host *host;
	pthread_t thread;
	unsigned count;
	uint64_t values_sum;
};

static void *add(void *context)
{
	struct adder *adder = context;
	struct transport *transport = host_connect(adder->host, TRANSPORT_POLL_ADAPTIVE);

	for (unsigned i = 0; i < adder->count; i++) {
		struct op op = op_faa(64, 1);

		ck_assert_int_eq(test_execute(transport, &op), 0);
		adder->values_sum += op.value;
	}
	transport_ops(transport)->close(transport);
	return NULL;
}

START_TEST(sessions_of_several_threads_add_up_exactly)
{
	enum { THREADS = 4, COUNT = 2000 };
	struct host host = host_start();
	struct adder adders[THREADS];
	uint64_t sum = 0, total = THREADS * COUNT;

	for (unsigned i = 0; i < THREADS; i++) {
		adders[i] = (struct adder){.host = &host, .count = COUNT};
		ck_assert_int_eq(pthread_create(&adders[i].thread, NULL, add, &adders[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(adders[i].thread, NULL);
		sum += adders[i].values_sum;
	}
	ck_assert_uint_eq(word(&host, 64), total);
	ck_assert_uint_eq(sum, total * (total - 1) / 2); /* each value was seen once */
}
END_TEST

START_TEST(a_process_that_forks_keeps_its_session_and_the_child_cannot_have_one)
{
	struct host host = host_start();
	struct transport *transport = host_connect(&host, TRANSPORT_POLL_ADAPTIVE);
	uint8_t bytes[5000], seen[5000];
	struct op write = op_bytes(DATA_WRITE, 1000, bytes, sizeof bytes);
	struct op read = op_bytes(DATA_READ, 1000, seen, sizeof seen);

	fill(bytes, sizeof bytes, 3);
	ck_assert_int_eq(test_execute(transport, &write), 0);
	for (unsigned i = 0; i < 6; i++) {
		pid_t child = child_fork();
		struct op faa = op_faa(64, 1);

		if (child == 0) {
			usleep(50000);
			_exit(-host_connect_with(&host.welcome, TRANSPORT_POLL_BUSY,
						 HOST_TIMEOUT_NS, NULL, &transport));
		}
		/* While the child shares what is not registered, and after it. */
		ck_assert_int_eq(test_execute(transport, &faa), 0);
		ck_assert_uint_eq(faa.value, i);
		memset(seen, 0, sizeof seen);
		ck_assert_int_eq(test_execute(transport, &read), 0);
		ck_assert_mem_eq(seen, bytes, sizeof bytes);
		if (i % 2) {
			ck_assert_int_eq(child_status(child), EOPNOTSUPP);
		}
	}
	transport_ops(transport)->close(transport);
}
END_TEST

START_TEST(a_locked_memory_limit_is_named_where_it_is_the_obstacle)
{
	struct host host = host_start();
	struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
	struct transport *transport;

	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	if (geteuid() == 0) /* root may lock what it wants */
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	ck_assert_int_lt(host_connect_with(&host.welcome, TRANSPORT_POLL_BUSY, HOST_TIMEOUT_NS,
					   NULL, &transport),
			 0);
	ck_assert_msg(strstr(host_reason, "ulimit -l"), "%s", host_reason);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue pair");
	TCase *operations = tcase_create("operations");

	if (!test_have_device())
		return 0;
	tcase_set_timeout(operations, 300);
	tcase_add_test(operations, what_a_write_of_any_length_stores_a_read_returns);
	tcase_add_test(operations, the_last_byte_of_the_region_can_be_reached);
	tcase_add_test(operations, atomics_return_the_value_before_and_store_in_host_order);
	tcase_add_loop_test(
		operations,
		as_many_operations_as_a_transport_holds_are_in_flight_and_complete_in_order, 0, 3);
	tcase_add_test(operations, a_batch_is_executed_in_the_order_of_its_submission);
	tcase_add_test(operations, a_transport_whose_buffers_are_full_says_so_and_goes_on);
	tcase_add_test(operations, what_cannot_be_right_is_refused_in_its_turn_and_breaks_nothing);
	tcase_add_test(operations,
		       the_descriptor_is_readable_when_something_completed_and_only_then);
	tcase_add_test(operations,
		       what_waits_for_an_earlier_operation_stands_that_the_device_sends_again);
	tcase_add_loop_test(operations,
			    a_device_that_can_fence_is_told_to_and_one_that_cannot_gets_it_later, 0,
			    2);
	tcase_add_test(
		operations,
		a_request_that_the_device_does_not_take_was_never_sent_and_the_errno_is_told);
	tcase_add_test(operations, what_the_descriptor_takes_begins_the_timeout_anew);
	tcase_add_test(operations, a_device_has_at_least_the_timeout_for_its_retries);
	tcase_add_test(operations, sessions_of_several_threads_add_up_exactly);
	tcase_add_test(operations,
		       a_process_that_forks_keeps_its_session_and_the_child_cannot_have_one);
	tcase_add_test(operations, a_locked_memory_limit_is_named_where_it_is_the_obstacle);
	suite_add_tcase(suite, operations);
	return run_suite_forked(suite);
}
