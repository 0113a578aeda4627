/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/linearizability/round.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/child.h"
#include "tests/clock.h"
#include "tests/linearizability/specs.h"

#define LOG_MAX       DRAWN_MAX
#define DRAWN         24 /* of which a client draws, unless it is to be killed */
#define PER_CALL      3  /* operations that one call is: the first, others are 2 at most */
#define BEFORE_DEATH  14
#define DEATH_WAIT_NS (20 * DSO_MILLISECOND)
/* In some of the others' rests storaged sweeps. */
#define SWEEP_NS    (4 * DSO_MILLISECOND)
#define GO_NS       (DSO_MILLISECOND / 5)
#define ROUND_MAX_S 120 /* far more than it takes */

/* Of one client. An operation that is begun and not ended when it dies has an unknown outcome. */
struct log {
	_Atomic bool ready;
	_Atomic uint32_t begun, ended;
	struct operation operations[LOG_MAX];
};

/* A process that is killed leaves what it had written. */
struct shared {
	_Atomic int64_t go_ns; /* when they begin; 0: not yet known */
	_Atomic int64_t killed_ns;
	struct log logs[CLIENTS_MAX];
};

static_assert(CLIENTS_MAX * LOG_MAX + 1 <= HISTORY_OPERATIONS_MAX, "a history has them all");

const struct object_kind *const object_kinds[OBJECT_KIND_COUNT] = {
#define X(name) &name##_kind,
	OBJECT_KINDS(X)
#undef X
};

static struct shared *shared;
static int shared_fd = -1;

static struct {
	const char *url, *transport;
} target;

static struct {
	const struct round *round; /* NULL: there are no more */
	char object[64];           /* its name */
	int64_t parameter;
} now;

/* ---- a client ---- */

/* Let others run, or not: some do one thing right after the other, so that those meet who run at
 * once. */
static void dawdle(struct client *client)
{
	unsigned lot = client->hasty ? 7 : draw_below(client, 8);

	if (lot < 3)
		sched_yield();
	else if (lot == 3)
		nap(1000 * (1 + draw_below(client, 60)));
}

/* Choose an operation, call it and write it down. Returns false when there is no other, or no
 * room. */
static bool act(struct client *client, struct log *log)
{
	struct operation operations[PER_CALL] = {0};
	unsigned count = 1;
	uint32_t at = log->begun;

	for (unsigned i = 0; i < PER_CALL; i++)
		operations[i].client = client->number;
	if (at + 2 > LOG_MAX || !client->kind->draw(client, operations, &count) ||
	    at + count > LOG_MAX)
		return false;
	client->drawn++;
	operations[0].call_ns = operations[1].call_ns = operations[2].call_ns = clock_now_ns();
	memcpy(&log->operations[at], operations, count * sizeof *operations);
	log->begun = at + count;
	client->perform(client, operations);
	operations[0].return_ns = operations[1].return_ns = operations[2].return_ns =
		clock_now_ns();
	memcpy(&log->operations[at], operations, count * sizeof *operations);
	log->ended = at + count;
	client->kind->learn(client, operations);
	return true;
}

/* All that have a processor begin at once: what takes a microsecond is over before another is
 * woken. */
static void wait_for_go(void)
{
	while (!shared->go_ns)
		sched_yield();
	while (clock_now_ns() < shared->go_ns)
		;
}

/* ---- the one that is killed ---- */

static void die_of(const char *what, const char *reason)
{
	printf("Bail out! %s: %s\n", what, reason);
	exit(1);
}

static struct dso_session *open_session(void)
{
	bool embedded = !strcmp(target.transport, "embedded");
	struct dso_options options = {.transport = embedded ? NULL : target.transport,
				      .timeout = 2 * HANG_TIMEOUT};
	struct dso_session *session;

	if (dso_open(target.url, &options, &session))
		die_of("cannot begin a session", dso_error(NULL));
	return session;
}

static void map_shared(int fd)
{
	shared_fd = fd;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		die_of("cannot map the logs", strerror(errno));
}

static bool is_rough(unsigned seed)
{
	return seed / 4 % 2;
}

static void settle(struct client *client, struct log *log)
{
	struct operation operation = {.client = client->number};

	client->kind->settle(client, &operation);
	if (operation.status)
		die_of("the one to be killed does not settle", dso_error(client->session));
	operation.call_ns = operation.return_ns = clock_now_ns();
	log->operations[0] = operation;
	log->begun = log->ended = 1;
}

#define VICTIM_ARGUMENTS 9 /* program --victim FD KIND URL TRANSPORT NAME PARAMETER SEED */

void round_be_victim(int argc, char **argv)
{
	struct client client = {.doomed = true};

	if (argc != VICTIM_ARGUMENTS || strcmp(argv[1], "--victim"))
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	map_shared(atoi(argv[2]));
	client.kind = object_kinds[atoi(argv[3])];
	client.perform = client.kind->perform;
	client.random = (unsigned)strtoul(argv[8], NULL, 10);
	client.rough = is_rough(client.random);
	target.url = argv[4];
	target.transport = argv[5];
	client.session = open_session();
	if (client.kind->open(&client, argv[6], atoll(argv[7])))
		die_of("the one to be killed", dso_error(client.session));
	if (client.kind->settle && !client.rough)
		settle(&client, &shared->logs[0]);
	shared->logs[0].ready = true;
	wait_for_go();
	while (act(&client, &shared->logs[0]))
		dawdle(&client);
	for (;;)
		pause();
}

/* A program of its own: rdma-core serves no child of a process that uses it. */
static pid_t begin_victim(void)
{
	char fd[16], kind[16], number[32], seed[16];
	int index = 0;
	pid_t pid;

	while (object_kinds[index] != now.round->kind)
		index++;
	snprintf(fd, sizeof fd, "%d", shared_fd);
	snprintf(kind, sizeof kind, "%d", index);
	snprintf(number, sizeof number, "%lld", (long long)now.parameter);
	snprintf(seed, sizeof seed, "%u", now.round->seed);
	pid = child_fork();
	if (pid == 0) {
		execl("/proc/self/exe", "linearizability", "--victim", fd, kind, target.url,
		      target.transport, now.object, number, seed, NULL);
		_exit(2);
	}
	return pid;
}

/* At a moment that is drawn: after so many operations, and some time. */
static void kill_victim(pid_t pid)
{
	unsigned seed = now.round->seed;
	unsigned operations = 1 + (unsigned)rand_r(&seed) / 16 % 40;
	int64_t begin_ns = clock_now_ns(), pause_ns = rand_r(&seed) / 16 % 60000, end_ns;

	while (shared->logs[0].begun < operations && clock_now_ns() - begin_ns < DEATH_WAIT_NS)
		sched_yield();
	for (end_ns = clock_now_ns() + pause_ns; clock_now_ns() < end_ns;)
		;
	end_ns = clock_now_ns();
	kill(pid, SIGKILL);
	shared->killed_ns = end_ns;
	if (child_status(pid) != CHILD_KILLED)
		die_of("the one to be killed", "it ended by itself");
}

/* ---- the others: threads, each with a session that it uses alone ---- */

static pthread_t hands[CLIENTS_MAX];
/* Of all hands and the main thread: a round begins, is over, is left. */
static pthread_barrier_t gate;
static struct dso_session *deleter;
static unsigned objects; /* so far */

static bool takes_part(unsigned number)
{
	return number >= now.round->deadly && number < now.round->clients;
}

static void join_round(struct client *client, struct dso_session *session, unsigned number)
{
	const struct round *round = now.round;
	unsigned seed = round->seed + number;

	*client = (struct client){
		.kind = round->kind,
		.perform = round->fault ? round->fault : round->kind->perform,
		.session = session,
		.number = (uint8_t)number,
		.random = (unsigned)rand_r(&seed),
		.rough = is_rough(round->seed),
		.hasty = (round->seed / 8 + number) % 4 != 0,
	};
	if (round->kind->open(client, now.object, now.parameter))
		die_of("cannot open what is to be tried", dso_error(session));
}

static void take_part(struct client *client)
{
	struct log *log = &shared->logs[client->number];

	log->ready = true;
	wait_for_go();
	do {
		/* With what it holds: the one that is killed may be waiting for it. */
		if (now.round->deadly && client->drawn == BEFORE_DEATH) {
			AWAIT(shared->killed_ns);
			nap(draw_below(client, 2) * draw_below(client, SWEEP_NS));
		}
		client->ending = client->drawn >= DRAWN;
		dawdle(client);
	} while (act(client, log));
}

static void *run_hand(void *argument)
{
	unsigned number = (unsigned)(uintptr_t)argument;
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	struct dso_session *session;
	struct client client;

	/* What one unmaps another may map, which the thread sanitizer does not see of io_uring. */
	pthread_mutex_lock(&one_at_a_time);
	session = open_session();
	pthread_mutex_unlock(&one_at_a_time);
	for (;;) {
		pthread_barrier_wait(&gate);
		if (!now.round)
			break;
		if (takes_part(number)) {
			join_round(&client, session, number);
			take_part(&client);
		}
		pthread_barrier_wait(&gate);
		if (takes_part(number))
			client.kind->close(&client);
		pthread_barrier_wait(&gate);
	}
	dso_close(session);
	return NULL;
}

/* Somebody waits for what does not come. */
static void give_up(int signal)
{
	static const char words[] = "Bail out! a round does not end: ";
	ssize_t written = write(STDOUT_FILENO, words, sizeof words - 1);

	written += write(STDOUT_FILENO, now.object, strlen(now.object));
	written += write(STDOUT_FILENO, "\n", 1);
	_exit(written > 0);
}

void round_hands_begin(const char *url, const char *transport)
{
	int fd = memfd_create("linearizability", 0);

	if (fd < 0 || ftruncate(fd, sizeof *shared))
		die_of("cannot make the logs", strerror(errno));
	map_shared(fd);
	target.url = url;
	target.transport = transport;
	deleter = open_session();
	pthread_barrier_init(&gate, NULL, CLIENTS_MAX + 1);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		pthread_create(&hands[i], NULL, run_hand, (void *)(uintptr_t)i);
}

void round_hands_end(void)
{
	now.round = NULL;
	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < CLIENTS_MAX; i++)
		pthread_join(hands[i], NULL);
	pthread_barrier_destroy(&gate);
	dso_close(deleter);
	munmap(shared, sizeof *shared);
	close(shared_fd);
}

/* ---- a round ---- */

static void take_down(struct history *history)
{
	static struct operation operations[HISTORY_OPERATIONS_MAX];

	*history = (struct history){.operations = operations, .parameter = now.parameter};
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct log *log = &shared->logs[i];

		for (uint32_t at = 0; at < log->begun; at++) {
			struct operation *operation = &operations[history->count++];

			*operation = log->operations[at];
			operation->known = at < log->ended && operation->status != -ECONNRESET;
		}
	}
	if (shared->killed_ns)
		operations[history->count++] =
			(struct operation){.kind = DIE, .call_ns = shared->killed_ns};
}

/* What a condition has beside itself, too. */
static void delete_objects(void)
{
	static const char *const also[] = {"", "/mutex", "/memory"};
	char whole[96];

	for (unsigned i = 0; i < sizeof also / sizeof *also; i++) {
		snprintf(whole, sizeof whole, "%s%s", now.object, also[i]);
		dso_object_delete(deleter, whole);
	}
}

void round_run(const struct round *round, struct history *ret_history)
{
	pid_t victim = 0;

	memset(shared, 0, sizeof *shared);
	signal(SIGALRM, give_up);
	alarm(ROUND_MAX_S);
	now.round = round;
	now.parameter = round->kind->parameter(round->clients);
	snprintf(now.object, sizeof now.object, "%s-%u", round->kind->specification->name,
		 ++objects);
	if (round->deadly)
		victim = begin_victim();
	pthread_barrier_wait(&gate);
	for (unsigned i = 0; i < round->clients; i++)
		while (!shared->logs[i].ready) {
			if (victim && waitpid(victim, NULL, WNOHANG))
				die_of("the one to be killed", "it did not begin");
			nap(DSO_MILLISECOND / 20);
		}
	shared->go_ns = clock_now_ns() + GO_NS;
	if (round->deadly)
		kill_victim(victim);
	pthread_barrier_wait(&gate);
	take_down(ret_history);
	pthread_barrier_wait(&gate);
	alarm(0);
	delete_objects();
}
