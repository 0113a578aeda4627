/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/await.h"
#include "tests/collections.h"
#include "tests/victim.h"
#include "tests/leap/hurry.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the victim has. */
struct self {
	const char *url, *transport, *name;
	struct dso_session *session;
	struct dso_mutex *mutex;
	struct collections collections; /* NULL but where it was told to use them */
};

static void close_session(struct self *self)
{
	dso_close(self->session);
	self->session = NULL;
}

/* The process goes on as another program, which has none of its memory: only time passes in it. */
static void become_another(struct self *self)
{
	(void)self;
	execl("/proc/self/exe", "victim", "--exec-of-victim", NULL);
	_exit(3);
}

/* Its connections, and nothing else of it. */
static void break_connections(struct self *self)
{
	(void)self;
	for (int fd = 4; fd < 256; fd++)
		shutdown(fd, SHUT_RDWR);
}

/* As programs do that want no descriptor but their own. */
static void close_descriptors(struct self *self)
{
	(void)self;
	closefrom(4);
}

/* A child that lives on has copies of everything that fork() copies. */
static void fork_child(struct self *self)
{
	(void)self;
	if (child_fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
}

/* Beside the ones before, which are left as they are. */
static void open_another(struct self *self)
{
	struct dso_options options = {.transport = self->transport};

	if (dso_open(self->url, &options, &self->session))
		_exit(2);
}

/* It is refused when storaged has found the ones before lost. */
static void be_refused(struct self *self)
{
	struct dso_options options = {.transport = self->transport};
	int r;

	AWAIT((r = dso_open(self->url, &options, &self->session)) != 0 ||
	      (dso_close(self->session), false));
	if (r != -EUSERS || !strstr(dso_error(NULL), "this process"))
		_exit(2);
}

/* What must hold in the victim; the test misses its answer where it does not. */
static void need(bool holds, const struct self *self, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "victim over %s: %s: %s\n", self->transport, what,
		self->session ? dso_error(self->session) : "");
	_exit(2);
}

/* Its session goes on, and it has the mutex. */
static void ping(struct self *self)
{
	need(dso_ping(self->session, NULL) == 0, self, "ping");
}

static void fail_once(struct self *self)
{
	struct dso_mutex *other;

	need(dso_mutex_open(self->session, "another", NULL, &other) == 0, self, "open");
	need(dso_mutex_unlock(other) == -EPERM, self, "an unlock of what is not locked");
	ping(self);
}

static void wait_shortly(struct self *self)
{
	struct dso_latch_params one = {.count = 1};
	struct dso_latch *latch;

	need(dso_latch_open(self->session, "latch", &one, &latch) == 0, self, "open");
	need(dso_latch_wait(latch, DSO_MILLISECOND) == -ETIMEDOUT, self, "a wait with a deadline");
	ping(self);
}

static void be_interrupted(struct self *self)
{
	struct dso_latch_params one = {.count = 1};
	struct dso_latch *latch;

	need(dso_latch_open(self->session, "latch", &one, &latch) == 0, self, "open");
	dso_interrupt(self->session);
	need(dso_latch_wait(latch, DSO_FOREVER) == -ECANCELED, self, "an interrupted wait");
	ping(self);
}

/* A child that closes what it inherits, and ends. */
static void fork_shortly(struct self *self)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		dso_close(self->session);
		_exit(0);
	}
	need(child_status(pid) == 0, self, "a forked child");
	ping(self);
}

static void fill_arena(struct self *self)
{
	struct dso_memory_params most = {.size_bytes = UINT64_C(1) << 40};
	struct dso_memory *memory;

	need(dso_memory_open(self->session, "too much", &most, &memory) == -ENOSPC, self,
	     "more than the arena has");
	ping(self);
}

static void use_collections(struct self *self)
{
	need(collections_open(self->session, self->name, &self->collections) == 0, self,
	     "open collections");
	need(collections_leave(&self->collections) == 0, self, "use collections");
}

/* storaged has ended the session: every call says so from some moment on. */
static void be_shut_down(struct self *self)
{
	int r;

	AWAIT((r = dso_ping(self->session, NULL)) != 0);
	need(r == -ESHUTDOWN, self, "a ping behind the end");
	r = dso_mutex_lock(self->mutex, DSO_NOWAIT, NULL);
	need(r == -ESHUTDOWN, self, "a lock behind the end");
	need(!self->collections.map || collections_say(&self->collections, -ESHUTDOWN), self,
	     "collections behind the end");
}

static void find_it_deleted(struct self *self)
{
	/* The notice comes by itself. */
	AWAIT(dso_mutex_consistent(self->mutex) != -EINVAL ||
	      dso_mutex_holder(self->mutex, NULL, NULL) || (ping(self), false));
	need(dso_mutex_unlock(self->mutex) == -ESTALE, self, "an unlock of what was deleted");
	dso_mutex_close(self->mutex);
	AWAIT(!self->collections.map || collections_say(&self->collections, -ESTALE) ||
	      (ping(self), false));
	ping(self);
}

/* Its data path: the last stream of those that are there, or the datagrams' way. An operation finds
 * it broken. */
static void break_data_path(struct self *self)
{
	int last = -1, datagrams = -1, pair[2], r;

	for (int fd = 4; fd < 256; fd++) {
		int type;
		socklen_t bytes = sizeof type;

		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes))
			continue;
		last = type == SOCK_STREAM ? fd : last;
		datagrams = type == SOCK_DGRAM ? fd : datagrams;
	}
	if (strcmp(self->transport, "roce")) {
		shutdown(last, SHUT_RDWR);
	} else {
		need(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) == 0, self,
		     "a socket");
		dup2(pair[0], datagrams);
	}
	/* A queue pair whose packets go nowhere is given up by its silence alone. */
	hurry_thread_begin();
	r = dso_mutex_holder(self->mutex, NULL, NULL);
	hurry_thread_end();
	need(r == -ECONNRESET || r == -ESHUTDOWN, self, "an operation behind a broken path");
	r = dso_ping(self->session, NULL);
	need(r == -ENOTCONN || r == -ESHUTDOWN, self, "a ping behind a broken path");
}

static const struct {
	char letter;
	void (*act)(struct self *self);
} orders[] = {
	{'a', open_another},    {'b', break_connections},
	{'c', close_session},   {'d', close_descriptors},
	{'e', become_another},  {'f', fork_child},
	{'F', fork_shortly},    {'i', be_interrupted},
	{'m', fill_arena},      {'p', ping},
	{'q', break_data_path}, {'r', be_refused},
	{'s', be_shut_down},    {'t', wait_shortly},
	{'u', use_collections}, {'w', fail_once},
	{'x', find_it_deleted},
};

static void obey(struct self *self, char letter)
{
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		if (orders[i].letter != letter)
			continue;
		orders[i].act(self);
		return;
	}
	need(false, self, "no such order");
}

/* @argv: url, transport, name, linger. Orders come on standard input, and each is answered on
 * descriptor 3. */
static int be_victim(char **argv)
{
	struct self self = {.url = argv[0], .transport = argv[1], .name = argv[2]};
	struct dso_options options = {.transport = argv[1], .linger = strtoll(argv[3], NULL, 10)};
	char letter = 'r';

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (dso_open(self.url, &options, &self.session) ||
	    dso_mutex_open(self.session, self.name, NULL, &self.mutex) ||
	    dso_mutex_lock(self.mutex, DSO_NOWAIT, NULL))
		return 2;
	while (write(3, &letter, 1) == 1 && read(0, &letter, 1) == 1)
		obey(&self, letter);
	for (;;)
		pause();
}

bool victim_main(int argc, char **argv, int *ret_status)
{
	if (argc == 6 && !strcmp(argv[1], "--victim")) {
		*ret_status = be_victim(argv + 2);
		return true;
	}
	if (argc == 2 && !strcmp(argv[1], "--exec-of-victim")) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(3, "e", 1) != 1)
			*ret_status = 2;
		for (;;)
			pause();
	}
	return false;
}

struct victim victim_here(const char *url, const char *name)
{
	static struct self self;

	self = (struct self){.url = url, .transport = "embedded", .name = name};
	ck_assert_int_eq(dso_open(url, NULL, &self.session), 0);
	ck_assert_int_eq(dso_mutex_open(self.session, name, NULL, &self.mutex), 0);
	ck_assert_int_eq(dso_mutex_lock(self.mutex, DSO_NOWAIT, NULL), 0);
	return (struct victim){.self = &self};
}

struct victim victim_start(const char *url, const char *transport, const char *name, int64_t linger)
{
	char text[24];
	int down[2], up[2];
	struct victim victim;

	snprintf(text, sizeof text, "%lld", (long long)linger);
	ck_assert_int_eq(pipe(down), 0);
	ck_assert_int_eq(pipe(up), 0);
	victim = (struct victim){.pid = child_fork(), .orders = down[1], .words = up[0]};
	if (victim.pid == 0) {
		/* Out of the way first: the numbers may be those that are wanted. */
		int in = dup(down[0]), out = dup(up[1]);

		dup2(in, 0);
		dup2(out, 3);
		closefrom(4);
		execl("/proc/self/exe", "victim", "--victim", url, transport, name, text, NULL);
		_exit(2);
	}
	close(down[0]);
	close(up[1]);
	ck_assert_msg(read(victim.words, text, 1) == 1, "a victim over %s could not begin",
		      transport);
	return victim;
}

void victim_order(const struct victim *victim, char order)
{
	char byte;

	if (victim->self) {
		obey(victim->self, order);
		return;
	}
	ck_assert_int_eq((int)write(victim->orders, &order, 1), 1);
	ck_assert_int_eq((int)read(victim->words, &byte, 1), 1);
}

void victim_kill(struct victim *victim)
{
	if (victim->self) {
		dso_close(victim->self->session);
		return;
	}
	ck_assert_int_eq(child_kill(victim->pid), CHILD_KILLED);
	close(victim->orders);
	close(victim->words);
}
