/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When each kind of path says that nothing can reach memory over it any more. The test is the
 * workers, the device and the session: it decides when they are through, and no path may say so
 * before.
 */
#include "storaged/listen.h"
#include "storaged/paths/data_connections.h"
#include "storaged/paths/device_pairs.h"
#include "storaged/paths/mappings.h"
#include "storaged/paths/queue_pairs.h"
#include "storaged/session/session.h"
#include "tests/runner.h"

#include <semaphore.h>
#include <signal.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOUR_NS INT64_C(3600000000000)

static struct loop loop;
static struct room room;
static struct settings settings;
static struct namespaces namespaces;
static struct session session;
static struct data_connections data_connections;
static struct queue_pairs queue_pairs;
static struct device_peers device_peers;
static struct device_pairs device_pairs;
static struct mappings mappings;
static struct worker *worker;           /* the only one */
static struct roce_worker *roce_worker; /* the only one */
static unsigned fenced;                 /* times that nothing was left to reach memory */
static unsigned destroyed;              /* queue pairs on the device, and nothing was fenced yet */
static sem_t made;                      /* the device has made a queue pair */

/* ---- what the paths need ---- */

const char *const settings_io[] = {"auto", NULL};

void session_path_ended(struct session *of, enum control_transport transport, enum session_end why,
			int error)
{
	(void)of;
	(void)transport;
	(void)why;
	(void)error;
}

int namespace_transport(const struct name_space *space, enum transport_poll poll,
			struct transport **ret_transport, char *reason, size_t reason_bytes)
{
	(void)space;
	(void)poll;
	(void)reason;
	(void)reason_bytes;
	*ret_transport = NULL;
	return 0;
}

int worker_start(struct worker *started, const struct settings *own, unsigned stream_count_max,
		 struct data_responder *responders, unsigned responder_count,
		 struct mailbox *outbox)
{
	(void)own;
	(void)stream_count_max;
	*started = (struct worker){
		.responders = responders, .responder_count = responder_count, .outbox = outbox};
	worker = started;
	return mailbox_open(&started->inbox);
}

void worker_stop(struct worker *stopped)
{
	mailbox_close(&stopped->inbox);
	free(stopped->responders);
}

int roce_worker_start(struct roce_worker *started, enum transport_poll poll,
		      uint32_t queue_pair_count, struct mailbox *outbox)
{
	(void)poll;
	(void)queue_pair_count;
	started->outbox = outbox;
	roce_worker = started;
	return mailbox_open(&started->inbox);
}

void roce_worker_stop(struct roce_worker *stopped)
{
	mailbox_close(&stopped->inbox);
}

int verbs_peer_make(struct verbs_region *region, const struct verbs_end *theirs,
		    struct verbs_end *ret_ours, struct verbs_peer **ret_peer, char *reason,
		    size_t reason_bytes)
{
	(void)region;
	(void)theirs;
	(void)reason;
	(void)reason_bytes;
	sem_wait(&made);
	*ret_ours = (struct verbs_end){.qpn = 7};
	*ret_peer = (struct verbs_peer *)(void *)&device_peers;
	return 0;
}

void verbs_peer_destroy(struct verbs_peer *peer)
{
	ck_assert_ptr_nonnull(peer);
	destroyed += fenced == 0;
}

uint32_t verbs_region_rkey(const struct verbs_region *region)
{
	(void)region;
	return 1;
}

/* ---- the session ---- */

static void is_fenced(struct fences *fences)
{
	ck_assert_ptr_eq(fences, &session.fences);
	fenced++;
}

static void setup(void)
{
	struct store_limits limits = {.region_bytes = 1 << 20, .objects_max = 16, .opens_max = 16};
	char reason[256];

	fenced = destroyed = 0;
	room = (struct room){.connections_max = 8, .files_max = 64};
	settings = (struct settings){
		.workers = 1, .sessions_max = 8, .transports = CONTROL_TCP | CONTROL_ROCE};
	namespaces.count = 1;
	namespaces.table[0] = (struct name_space){.domain = CONTROL_DOMAIN_CPU};
	data_connections = (struct data_connections){0};
	queue_pairs = (struct queue_pairs){0};
	ck_assert_int_eq(store_new(&limits, &namespaces.table[0].store), 0);
	ck_assert_int_eq(loop_open(&loop), 0);
	ck_assert_int_eq(data_connections_open(&data_connections, &loop, &room, &namespaces,
					       &settings, reason, sizeof reason),
			 0);
	ck_assert_int_eq(queue_pairs_open(&queue_pairs, &loop, &(struct listeners){0}, &namespaces,
					  &settings, reason, sizeof reason),
			 0);
	device_peers_init(&device_peers);
	ck_assert_int_eq(device_pairs_open(&device_pairs, &loop, &device_peers), 0);
	mappings_init(&mappings, &loop, &room, false);
	sem_init(&made, 0, 0);
	session =
		(struct session){.space = &namespaces.table[0], .features = CONTROL_FEATURE_LEASE};
	fences_init(&session.fences, is_fenced);
}

static void teardown(void)
{
	mappings_close(&mappings);
	device_pairs_close(&device_pairs);
	queue_pairs_close(&queue_pairs);
	data_connections_close(&data_connections);
	loop_close(&loop);
	store_free(namespaces.table[0].store);
}

/* ---- what a worker does ---- */

static struct mail *take(struct mailbox *inbox, uint32_t wanted)
{
	uint32_t bits;
	struct mail *mail = mailbox_take(inbox, &bits);

	ck_assert_ptr_nonnull(mail);
	ck_assert_uint_eq(bits, wanted);
	return mail;
}

/* Make a data connection of the session, and take what its worker gets. */
static struct data_connection *connect_data(int ends[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(data_connections_add(&data_connections, &session, ends[0], "", 0), 0);
	return container_of(take(&worker->inbox, DATA_BEGIN), struct data_connection, to_worker);
}

/* The same for a queue pair of transport roce. */
static struct roce_queue_pair *connect_roce(void)
{
	struct control_queue_pair theirs = {.mtu = le16_of(1024), .rd_atomic = le16_of(4)};
	struct roce_address local = {.ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
	struct roce_queue_pair *pair;

	memcpy(theirs.ip, local.ip, sizeof theirs.ip);
	ck_assert_int_eq(queue_pairs_make(&queue_pairs, &session, &theirs, &local, &pair), 0);
	take(&roce_worker->inbox, QUEUE_PAIR_BEGIN);
	return pair;
}

/* Whether the worker would wake up, if it slept. */
static bool is_poked(struct mailbox *inbox)
{
	struct pollfd ready = {.fd = inbox->event_fd, .events = POLLIN};

	return poll(&ready, 1, 0) == 1;
}

START_TEST(who_serves_a_path_is_awake_when_its_client_is_about_to_use_it)
{
	int ends[2];
	struct data_connection *connection = connect_data(ends);
	struct roce_queue_pair *pair = connect_roce();

	for (unsigned i = 0; i < 2; i++) {
		mailbox_quiet(&worker->inbox);
		mailbox_quiet(&roce_worker->inbox);
		ck_assert(!is_poked(&worker->inbox) && !is_poked(&roce_worker->inbox));
		fences_expect(&session.fences);
		ck_assert(is_poked(&worker->inbox) && is_poked(&roce_worker->inbox));
	}
	fences_close(&session.fences, END_silent);
	take(&worker->inbox, DATA_END);
	take(&roce_worker->inbox, QUEUE_PAIR_END);
	mailbox_post(worker->outbox, &connection->to_main, DATA_GONE);
	mailbox_post(roce_worker->outbox, &pair->to_main, QUEUE_PAIR_GONE);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 1);
	close(ends[1]);
}
END_TEST

START_TEST(a_data_connection_is_fenced_by_the_word_of_its_worker_alone)
{
	int ends[2];
	struct data_connection *connection = connect_data(ends);

	fences_close(&session.fences, END_silent);
	take(&worker->inbox, DATA_END);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 0);
	ck_assert_uint_eq(room.connections, 1);
	mailbox_post(worker->outbox, &connection->to_main, DATA_GONE);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 1);
	ck_assert_uint_eq(room.connections, 0);
	close(ends[1]);
}
END_TEST

START_TEST(a_data_connection_that_broke_is_not_fenced_before_its_worker_says_so)
{
	int ends[2];
	struct data_connection *connection = connect_data(ends);

	mailbox_post(worker->outbox, &connection->to_main, DATA_ENDED);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	take(&worker->inbox, DATA_END);
	ck_assert(!fences_carry(&session.fences, CONTROL_TCP));
	fences_close(&session.fences, END_data_broke);
	ck_assert_uint_eq(fenced, 0);
	mailbox_post(worker->outbox, &connection->to_main, DATA_GONE);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 1);
	close(ends[1]);
}
END_TEST

START_TEST(a_queue_pair_is_fenced_by_the_word_of_its_worker_alone)
{
	struct roce_queue_pair *pair = connect_roce();

	mailbox_post(roce_worker->outbox, &pair->to_main, QUEUE_PAIR_FAILED);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert(!fences_carry(&session.fences, CONTROL_ROCE));
	fences_close(&session.fences, END_queue_pair_refused);
	take(&roce_worker->inbox, QUEUE_PAIR_END);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 0);
	mailbox_post(roce_worker->outbox, &pair->to_main, QUEUE_PAIR_GONE);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 1);
}
END_TEST

START_TEST(a_queue_pair_on_the_device_is_fenced_by_its_destruction_alone)
{
	struct verbs_peer *peer = (struct verbs_peer *)(void *)&device_peers;
	struct budget none = {0}, budget;

	device_peers_add(&device_peers, &session, peer, CONTROL_VERBS);
	device_peers_add(&device_peers, &session, peer, CONTROL_ROCE);
	fences_close(&session.fences, END_silent);
	ck_assert(device_peers_destroy(&device_peers, &none));
	ck_assert_uint_eq(destroyed, 0);
	ck_assert_uint_eq(fenced, 0);
	do /* a budget is a time too */
		budget = budget_begin();
	while (device_peers_destroy(&device_peers, &budget));
	ck_assert_uint_eq(destroyed, 2);
	ck_assert_uint_eq(fenced, 1);
}
END_TEST

START_TEST(a_queue_pair_that_the_device_is_making_is_waited_for_and_destroyed)
{
	struct control_queue_pair theirs = {0};

	ck_assert_int_eq(device_pairs_begin(&device_pairs, &session, &theirs), 0);
	fences_close(&session.fences, END_silent);
	ck_assert_int_eq(loop_turn(&loop, 0), 0);
	ck_assert_uint_eq(fenced, 0);
	sem_post(&made);
	ck_assert_int_eq(loop_turn(&loop, -1), 0);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_uint_eq(fenced, 1);
}
END_TEST

/* A process that lives until it is ended, or the test is. */
static pid_t begin_process(int *ret_pidfd)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	*ret_pidfd = pidfd_open(pid, 0);
	ck_assert_int_ge(*ret_pidfd, 0);
	return pid;
}

static void end_process(pid_t pid)
{
	ck_assert_int_eq(child_kill(pid), CHILD_KILLED);
}

START_TEST(a_process_is_fenced_when_its_lease_is_not_mapped_any_more)
{
	struct mapping *mapping;
	void *lease;
	int pidfd;
	pid_t pid = begin_process(&pidfd);

	ck_assert_int_eq(mapping_new(&mappings, &session, pidfd, &mapping), 0);
	lease = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapping->lease_fd, 0);
	ck_assert_ptr_ne(lease, MAP_FAILED);
	fences_close(&session.fences, END_control_closed);
	mappings_turn(&mappings, clock_now_ns() + HOUR_NS);
	ck_assert_uint_eq(fenced, 0);
	munmap(lease, 4096);
	mappings_turn(&mappings, clock_now_ns() + 2 * HOUR_NS);
	ck_assert_uint_eq(fenced, 1);
	end_process(pid);
}
END_TEST

START_TEST(a_process_whose_lease_is_mapped_is_fenced_by_its_end_or_by_goodbye)
{
	struct mapping *mapping;
	void *lease;
	int pidfd;
	pid_t pid = begin_process(&pidfd);

	ck_assert_int_eq(mapping_new(&mappings, &session, pidfd, &mapping), 0);
	lease = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mapping->lease_fd, 0);
	ck_assert_ptr_ne(lease, MAP_FAILED);
	fences_close(&session.fences, _i ? END_goodbye : END_control_closed);
	ck_assert_uint_eq(fenced, _i);
	end_process(pid);
	ck_assert_int_eq(loop_turn(&loop, _i ? 0 : -1), 0);
	ck_assert_uint_eq(fenced, 1);
	ck_assert_uint_eq(room.files, 0);
	munmap(lease, 4096);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fences of paths");
	TCase *tests = tcase_create("fences of paths");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, who_serves_a_path_is_awake_when_its_client_is_about_to_use_it);
	tcase_add_test(tests, a_data_connection_is_fenced_by_the_word_of_its_worker_alone);
	tcase_add_test(tests, a_data_connection_that_broke_is_not_fenced_before_its_worker_says_so);
	tcase_add_test(tests, a_queue_pair_is_fenced_by_the_word_of_its_worker_alone);
	tcase_add_test(tests, a_queue_pair_on_the_device_is_fenced_by_its_destruction_alone);
	tcase_add_test(tests, a_queue_pair_that_the_device_is_making_is_waited_for_and_destroyed);
	tcase_add_test(tests, a_process_is_fenced_when_its_lease_is_not_mapped_any_more);
	tcase_add_loop_test(
		tests, a_process_whose_lease_is_mapped_is_fenced_by_its_end_or_by_goodbye, 0, 2);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
