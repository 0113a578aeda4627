/* SPDX-License-Identifier: Apache-2.0 */
/* A worker whose socket is this test, which decides what arrives and what happens between two
 * turns. */
#include "storaged/paths/roce_worker.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#define QPN        7
#define MTU        256
#define READ_BYTES (1 << 20) /* more than a turn's packets */

struct roce_socket {
	int fd; /* never readable */
};

static struct roce_socket own_socket;
static struct roce_worker worker;
static struct mailbox outbox;
static struct roce_queue_pair pair;
static struct roce_path client_path;
static unsigned receives;
static sem_t looked; /* the test has seen what it wanted before the next turn */

static void memory_read(void *context, uint64_t offset, void *buffer, uint32_t bytes)
{
	(void)context;
	(void)offset;
	memset(buffer, 0, bytes);
}

/* ---- in the place of lib/roce/socket.c ---- */

int roce_socket_fd(const struct roce_socket *socket)
{
	return socket->fd;
}

bool roce_socket_is_full(struct roce_socket *socket)
{
	(void)socket;
	return false;
}

void roce_socket_close(struct roce_socket *socket)
{
	(void)socket;
}

void roce_socket_send(struct roce_socket *socket, struct roce_batch *batch)
{
	(void)socket;
	roce_batch_clear(batch);
}

/* First a READ arrives that takes several turns, and the session ends before the second one. */
int roce_socket_receive(struct roce_socket *socket,
			void (*take)(void *context, const struct roce_address *source,
				     const uint8_t *packet, size_t bytes),
			void *context)
{
	static struct roce_batch batch;
	struct roce_packet request = {
		.opcode = ROCE_READ_REQUEST, .qpn = QPN, .length_bytes = READ_BYTES};

	(void)socket;
	if (++receives > 1) {
		sem_wait(&looked);
		return 0;
	}
	roce_batch_commit(&batch, &client_path, roce_encode(&request, roce_batch_next(&batch)));
	take(context, &client_path.local, batch.bytes, batch.fill);
	mailbox_post(&worker.inbox, &pair.to_worker, QUEUE_PAIR_END);
	return 1;
}

/* ---- the test ---- */

static void start(void)
{
	static const struct roce_memory_ops ops = {.read = memory_read};
	struct roce_responder_config config = {
		.path = {.local = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 1}, .port = ROCE_PORT},
			 .remote = {.ip = {[10] = 0xff, 0xff, 10, 0, 0, 2}, .port = 40000}},
		.memory = {.ops = &ops, .bytes = READ_BYTES, .access = ROCE_ACCESS_READ},
		.mtu = MTU,
		.replay_count = 1,
	};

	client_path = (struct roce_path){.local = config.path.remote, .remote = config.path.local};
	roce_path_prepare(&client_path);
	roce_responder_init(&pair.responder, &config, NULL);
	pair.qpn = QPN;
	list_init(&pair.busy);
	own_socket.fd = -1;
	worker.sockets[worker.socket_count++] = &own_socket;
	sem_init(&looked, 0, 0);
	ck_assert_int_eq(mailbox_open(&outbox), 0);
	ck_assert_int_eq(roce_worker_start(&worker, TRANSPORT_POLL_BLOCK, 1, &outbox), 0);
	mailbox_post(&worker.inbox, &pair.to_worker, QUEUE_PAIR_BEGIN);
}

START_TEST(a_queue_pair_that_ends_in_the_middle_of_a_read_is_forgotten)
{
	struct pollfd mail = {.events = POLLIN};
	uint32_t bits;

	start();
	mail.fd = outbox.event_fd;
	ck_assert_int_eq(poll(&mail, 1, -1), 1);
	ck_assert_ptr_eq(mailbox_take(&outbox, &bits), &pair.to_main);
	ck_assert_uint_eq(bits, QUEUE_PAIR_GONE);
	ck_assert_int_eq(pair.responder.state, ROCE_RESPONDER_READING);
	/* The main thread frees it now. */
	ck_assert(list_empty(&pair.busy));
	ck_assert_uint_eq(worker.queue_pair_count, 0);
	memset(&pair, 0xff, sizeof pair);
	for (int i = 0; i < 100; i++)
		sem_post(&looked);
	roce_worker_stop(&worker);
	mailbox_close(&outbox);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("roce worker");
	TCase *tests = tcase_create("roce worker");

	tcase_add_test(tests, a_queue_pair_that_ends_in_the_middle_of_a_read_is_forgotten);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
