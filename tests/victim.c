/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/victim.h"

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
	if (fork() == 0) {
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

	while ((r = dso_open(self->url, &options, &self->session)) == 0)
		dso_close(self->session);
	if (r != -EUSERS || !strstr(dso_error(NULL), "this process"))
		_exit(2);
}

static const struct {
	char letter;
	void (*act)(struct self *self);
} orders[] = {
	{'a', open_another},      {'b', break_connections}, {'c', close_session},
	{'d', close_descriptors}, {'f', fork_child},        {'r', be_refused},
	{'e', become_another},
};

static void obey(struct self *self, char letter)
{
	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
		if (orders[i].letter == letter)
			orders[i].act(self);
}

/* @argv: url, transport, name, linger. Orders come on standard input, and each is answered on descriptor 3. */
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

struct victim victim_start(const char *url, const char *transport, const char *name, int64_t linger)
{
	char text[24];
	int down[2], up[2];
	struct victim victim;

	snprintf(text, sizeof text, "%lld", (long long)linger);
	ck_assert_int_eq(pipe(down), 0);
	ck_assert_int_eq(pipe(up), 0);
	victim = (struct victim){.pid = fork(), .orders = down[1], .words = up[0]};
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

	ck_assert_int_eq((int)write(victim->orders, &order, 1), 1);
	ck_assert_int_eq((int)read(victim->words, &byte, 1), 1);
}

void victim_kill(struct victim *victim)
{
	kill(victim->pid, SIGKILL);
	kill(victim->pid, SIGCONT);
	waitpid(victim->pid, NULL, 0);
	close(victim->orders);
	close(victim->words);
}
