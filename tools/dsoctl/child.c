/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/child.h"
#include "tools/dsoctl/course.h"
#include "tools/dsoctl/signals.h"
#include "tools/dsoctl/witness.h"
#include "tools/dsoctl/work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS COURSE_AGAIN_NS /* how often the session and the work are looked at */

/* Exit statuses as shells have them. */
#define COULD_NOT_START 126
#define NOT_FOUND       127
#define ENDED_BY_SIGNAL 128

/* The signal mask with which dsoctl was started, for the command. */
static sigset_t mask_before;

/*
 * Whether the signal is for dsoctl alone: SIGRTMIN, with which its threads call each other, or a
 * signal that the kernel sends for what dsoctl did itself, such as SIGPIPE of a stderr that nobody
 * reads.
 */
static bool is_own(const siginfo_t *info)
{
	return (info->si_code == SI_USER || info->si_code == SI_TKILL) && info->si_pid == getpid();
}

/* ---- waiting for it ---- */

/* A handler may not call dso_interrupt(); a thread may. SIGRTMIN tells it that the wait is over. */
static void *watch(void *context)
{
	struct wait *wait = context;
	sigset_t set = ending_signals();
	siginfo_t info;

	sigaddset(&set, SIGRTMIN);
	while (sigwaitinfo(&set, &info) < 0)
		;
	if (is_own(&info))
		return NULL;
	wait->signal = info.si_signo;
	dso_interrupt(wait->session);
	return NULL;
}

int wait_begin(struct wait *wait, struct dsoctl *ctl)
{
	sigset_t set = ending_signals();

	*wait = (struct wait){.session = ctl->session};
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGRTMAX); /* of the witness */
	sigaddset(&set, SIGCHLD);
	/* If SIGCHLD were ignored, as a parent may have left it, dsoctl would not learn of the
	 * command's end. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &mask_before);
	return -pthread_create(&wait->thread, NULL, watch, wait);
}

bool wait_end(struct wait *wait, struct dsoctl *ctl)
{
	pthread_kill(wait->thread, SIGRTMIN);
	pthread_join(wait->thread, NULL);
	ctl->signal = wait->signal;
	return wait->signal != 0;
}

/* ---- starting it ---- */

/* In the child: start the command, or tell the parent through @report why that failed. */
__attribute__((noreturn)) static void become(char **words, pid_t parent, int report)
{
	int error;

	/* The command ends with dsoctl: a killed dsoctl holds nothing any more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(COULD_NOT_START);
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
	execvp(words[0], words);
	error = errno;
	while (write(report, &error, sizeof error) < 0 && errno == EINTR)
		;
	_exit(COULD_NOT_START);
}

/* Returns 0 with *ret_child, or a negative errno. */
static int start(char **words, pid_t *ret_child)
{
	pid_t parent = getpid(), child;
	int report[2], error = 0;
	ssize_t n;

	/* Processes that outlive their parent become children of dsoctl: see work.h. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (pipe2(report, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child == 0)
		become(words, parent, report[1]);
	if (child < 0)
		error = errno;
	close(report[1]);
	do
		n = child < 0 ? 0 : read(report[0], &error, sizeof error);
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (error && child > 0)
		waitpid(child, NULL, 0);
	*ret_child = child;
	return -error;
}

/* ---- the session meanwhile ---- */

/* A thread that has the session while the command runs. It is a thread because a ping waits for as
 * long as storaged is silent. */
struct watcher {
	pthread_t thread, main;
	struct dso_session *session;
	pthread_mutex_t mutex;
	pthread_cond_t over;
	bool is_over;
	int error; /* the error with which the session was lost */
};

/* Wait for LOOK_NS. Returns whether the command has ended meanwhile. */
static bool pause_watching(struct watcher *watcher)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_NS;
	until.tv_sec += until.tv_nsec / DSO_SECOND;
	until.tv_nsec %= DSO_SECOND;
	while (!watcher->is_over && r == 0)
		r = pthread_cond_timedwait(&watcher->over, &watcher->mutex, &until);
	return watcher->is_over;
}

/* Tells the main thread by SIGRTMIN that the session is lost. */
static void *watch_session(void *context)
{
	struct watcher *watcher = context;

	pthread_mutex_lock(&watcher->mutex);
	while (watcher->error == 0 && !pause_watching(watcher)) {
		int error;

		pthread_mutex_unlock(&watcher->mutex);
		error = dso_ping(watcher->session, NULL);
		pthread_mutex_lock(&watcher->mutex);
		watcher->error = error;
	}
	if (watcher->error)
		pthread_kill(watcher->main, SIGRTMIN);
	pthread_mutex_unlock(&watcher->mutex);
	return NULL;
}

/* Returns 0 or a negative errno. */
static int watcher_begin(struct watcher *watcher, struct dso_session *session)
{
	pthread_condattr_t attributes;

	*watcher = (struct watcher){.main = pthread_self(), .session = session};
	pthread_mutex_init(&watcher->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&watcher->over, &attributes);
	return -pthread_create(&watcher->thread, NULL, watch_session, watcher);
}

static bool watcher_lost(struct watcher *watcher)
{
	bool lost;

	pthread_mutex_lock(&watcher->mutex);
	lost = watcher->error != 0;
	pthread_mutex_unlock(&watcher->mutex);
	return lost;
}

/* End the thread: the session is the caller's again. Returns the error with which it was lost, or
 * 0. */
static int watcher_end(struct watcher *watcher)
{
	pthread_mutex_lock(&watcher->mutex);
	watcher->is_over = true;
	pthread_cond_signal(&watcher->over);
	pthread_mutex_unlock(&watcher->mutex);
	pthread_join(watcher->thread, NULL);
	return watcher->error;
}

/* ---- while it runs ---- */

struct run {
	struct work work;
	struct witness witness;
	struct watcher watcher;
	struct course course;
	int wait_status; /* the command's, once it has ended */
};

/* Whether the kernel says that a key or the end of the terminal caused it: then the whole
 * foreground gets it. */
static bool is_of_terminal(const siginfo_t *info)
{
	int number = info->si_signo;

	return info->si_code == SI_KERNEL &&
	       (number == SIGINT || number == SIGQUIT || number == SIGHUP);
}

/* Send the signal to the command, or, after that has ended, to every process that it has left. */
static void pass(struct run *run, const siginfo_t *info)
{
	bool group_has_it = is_of_terminal(info) || witness_has_got(&run->witness, info->si_signo);
	pid_t command = run->work.command;

	work_remember(&run->work);
	if (!command)
		work_signal(&run->work, info->si_signo, group_has_it);
	else if (!group_has_it || getpgid(command) != getpgrp())
		kill(command, info->si_signo);
}

/* Wait for a signal, at most until the next look is due. */
static void await_signal(struct run *run)
{
	struct timespec until_the_next_look = {.tv_nsec = LOOK_NS};
	sigset_t set = ending_signals();
	siginfo_t info;
	int got;

	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGRTMIN);
	got = sigtimedwait(&set, &info, &until_the_next_look);
	if (got > 0 && got != SIGCHLD && !is_own(&info))
		pass(run, &info);
}

static void end_work(struct run *run, int signal_number)
{
	if (signal_number == SIGTERM)
		work_remember(&run->work);
	work_signal(&run->work, signal_number, false);
	/* A stopped process would not react to SIGTERM. */
	if (signal_number == SIGTERM)
		work_signal(&run->work, SIGCONT, false);
}

/* Reap every child that has ended, and keep the status of the command. */
static void reap(struct run *run)
{
	int wait_status;
	pid_t ended;

	while ((ended = waitpid(-1, &wait_status, WNOHANG)) > 0) {
		if (ended != run->work.command)
			continue;
		run->work.command = 0;
		run->wait_status = wait_status;
	}
}

/* Wait until all of the work has ended. */
static void attend(struct run *run)
{
	for (reap(run); work_is_left(&run->work); reap(run)) {
		int due;

		await_signal(run);
		due = course_step(&run->course, watcher_lost(&run->watcher), now_ns());
		if (due)
			end_work(run, due);
	}
}

static enum exit_status status_of(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return (enum exit_status)(ENDED_BY_SIGNAL + WTERMSIG(wait_status));
	return (enum exit_status)WEXITSTATUS(wait_status);
}

/* The same with a watcher. Returns 0 when the command was started, or a negative errno. */
static int start_and_attend(struct run *run, char **words)
{
	sigset_t set = ending_signals();
	int r;

	/* Without a witness a signal for the whole group comes twice, which does no further
	 * harm. */
	witness_start(&run->witness, &set);
	work_begin(&run->work);
	r = start(words, &run->work.command);
	if (r == 0)
		attend(run);
	witness_end(&run->witness);
	work_free(&run->work);
	return r;
}

int command_run(struct dsoctl *ctl, char **words, enum exit_status *ret_status)
{
	struct run run = {0};
	int r = watcher_begin(&run.watcher, ctl->session), error;

	if (r) {
		fail_because("out of threads");
		return r;
	}
	r = start_and_attend(&run, words);
	error = watcher_end(&run.watcher);
	*ret_status = status_of(run.wait_status);
	if (r) {
		fail_because("cannot run %s: %s", words[0], strerror(-r));
		*ret_status = r == -ENOENT ? NOT_FOUND : COULD_NOT_START;
	}
	/* A session that was lost after the end of the work is reported when the hold is given
	 * back. */
	if (run.course.state == COURSE_RUNS)
		return 0;
	/* Not before the work has ended: a write to a stderr that nobody reads may wait for
	 * ever. */
	fail_because("the session is lost, and the command must end with it: %s",
		     dso_error(ctl->session));
	return error;
}
