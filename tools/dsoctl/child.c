/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS  (DSO_SECOND / 2) /* how often the session is looked at */
#define GRACE_NS (5 * DSO_SECOND) /* from SIGTERM to SIGKILL */

/* Exit statuses as shells have them. */
#define COULD_NOT_START 126
#define NOT_FOUND       127
#define ENDED_BY_SIGNAL 128

/* What a command expects to get when it is run without dsoctl. */
static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

/* As dsoctl was started with it, for the command. */
static sigset_t mask_before;

static sigset_t kept_signals(void)
{
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	/* What nohup or a shell had us ignore stays ignored: once blocked, it would be got all the same. */
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		if (sigaction(passed_on[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			sigaddset(&set, passed_on[i]);
	return set;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * DSO_SECOND + now.tv_nsec;
}

/* ---- waiting for it ---- */

/* A handler may not call dso_interrupt(); a thread may. SIGRTMIN tells it that the wait is over. */
static void *watch(void *context)
{
	struct wait *wait = context;
	sigset_t set = kept_signals();
	int got;

	sigaddset(&set, SIGRTMIN);
	sigwait(&set, &got);
	if (got == SIGRTMIN)
		return NULL;
	wait->signal = got;
	dso_interrupt(wait->session);
	return NULL;
}

int wait_begin(struct wait *wait, struct dsoctl *ctl)
{
	sigset_t set = kept_signals();

	*wait = (struct wait){.session = ctl->session};
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGCHLD);
	/* Ignored, as a parent may have left it, nobody would hear of the command's end. */
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

/* In the child. Tells its parent through @report why it could not. */
__attribute__((noreturn)) static void become(char **words, pid_t parent, int report)
{
	int error;

	/* A killed dsoctl holds nothing any more. */
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

	/* What the command leaves behind when it is ended comes to us, see end_orphans(). */
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

/* ---- while it runs ---- */

/* What is waited for. */
enum course {
	COURSE_RUNS,  /* the command's end; the session is looked at meanwhile */
	COURSE_ENDS,  /* the command's end after SIGTERM, for GRACE_NS */
	COURSE_KILLED /* the command's end after SIGKILL */
};

struct run {
	struct dsoctl *ctl;
	pid_t child;
	enum course course;
	int64_t due_ns; /* when to do something if the command has not ended by itself */
	int error;      /* by which the session was lost */
};

static void look(struct run *run)
{
	run->due_ns = now_ns() + LOOK_NS;
	run->error = dso_ping(run->ctl->session, NULL);
	if (run->error == 0)
		return;
	fail_because("the session is lost, and the command must end with it: %s",
		     dso_error(run->ctl->session));
	kill(run->child, SIGTERM);
	kill(run->child, SIGCONT);
	run->course = COURSE_ENDS;
	run->due_ns = now_ns() + GRACE_NS;
}

static void end_by_force(struct run *run)
{
	kill(run->child, SIGKILL);
	run->course = COURSE_KILLED;
}

static void wait_on(struct run *run)
{
	run->due_ns = now_ns() + LOOK_NS;
}

static void (*const when_due[])(struct run *run) = {
	[COURSE_RUNS] = look,
	[COURSE_ENDS] = end_by_force,
	[COURSE_KILLED] = wait_on,
};

/* Wait until @due_ns for a signal, and pass on what is the command's. */
static void pass_signal(pid_t child, int64_t due_ns)
{
	int64_t left_ns = due_ns - now_ns();
	struct timespec patience = {.tv_sec = left_ns > 0 ? left_ns / DSO_SECOND : 0,
				    .tv_nsec = left_ns > 0 ? left_ns % DSO_SECOND : 0};
	sigset_t set = kept_signals();
	siginfo_t info;
	int got;

	sigaddset(&set, SIGCHLD);
	got = sigtimedwait(&set, &info, &patience);
	/* What a terminal sends, the command has got from it too. */
	if (got > 0 && got != SIGCHLD && info.si_code != SI_KERNEL)
		kill(child, got);
}

/* Reap who has ended. Returns whether the command is among them. */
static bool has_ended(pid_t child, int *ret_wait_status)
{
	int wait_status;
	pid_t ended;

	while ((ended = waitpid(-1, &wait_status, WNOHANG)) > 0) {
		if (ended == child) {
			*ret_wait_status = wait_status;
			return true;
		}
	}
	return ended < 0 && errno == ECHILD;
}

/* What a command that was ended leaves behind, a shell its last command, must not go on either. */
static void end_orphans(void)
{
	pid_t ended = 0;

	while (ended >= 0) {
		FILE *children = fopen("/proc/thread-self/children", "re");
		int child, count = 0;

		while (children && fscanf(children, "%d", &child) == 1) {
			kill(child, SIGKILL);
			count++;
		}
		if (children)
			fclose(children);
		ended = count ? waitpid(-1, NULL, 0) : -1;
	}
}

int command_run(struct dsoctl *ctl, char **words, enum exit_status *ret_status)
{
	struct run run = {.ctl = ctl, .due_ns = now_ns() + LOOK_NS};
	int wait_status = 0;
	int r = start(words, &run.child);

	if (r) {
		fail_because("cannot run %s: %s", words[0], strerror(-r));
		*ret_status = r == -ENOENT ? NOT_FOUND : COULD_NOT_START;
		return 0;
	}
	while (!has_ended(run.child, &wait_status)) {
		pass_signal(run.child, run.due_ns);
		if (now_ns() >= run.due_ns)
			when_due[run.course](&run);
	}
	if (run.error)
		end_orphans();
	*ret_status = (enum exit_status)WEXITSTATUS(wait_status);
	if (WIFSIGNALED(wait_status))
		*ret_status = (enum exit_status)(ENDED_BY_SIGNAL + WTERMSIG(wait_status));
	return run.error;
}
