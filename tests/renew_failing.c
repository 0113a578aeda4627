/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A renewal that fails half way, at each of the system calls in its turn, leaves nothing behind and
 * can be tried again.
 */
#include "tests/await.h"
#include "tests/daemon.h"
#include "tests/runner.h"
#include "tests/transports.h"

#include <dso/dso.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define FILES        256 /* more descriptors than the test has */

static const char *const arguments[] = {"--memory", "64MiB", "--ttl", "60m",
					"--domain", "cpu",   NULL};

static struct daemon_process daemon_process;
static struct dso_session *session;
static struct dso_counter *counter;
static struct dso_mutex *mutex;

#define OK(call)                                                                                   \
	do {                                                                                       \
		int ok_result = (call);                                                            \
		ck_assert_msg(ok_result == 0, "%s: %d, %s", #call, ok_result, dso_error(session)); \
	} while (0)

static struct dso_session *open_session(const char *transport)
{
	struct dso_options options = {.transport = transport};
	struct dso_session *opened;

	ck_assert_msg(dso_open(daemon_url(&daemon_process, transport), &options, &opened) == 0,
		      "%s", dso_error(NULL));
	return opened;
}

/* ---- system calls that fail ---- */

/* Of the system calls of this thread that a renewal needs: counted, and the one that is to fail. */
static _Thread_local bool is_counting;
static unsigned call_count, call_fails;
static int call_error;

static bool is_to_fail(int error)
{
	if (!is_counting || ++call_count != call_fails)
		return false;
	errno = call_error = error;
	return true;
}

/* The library is to find these. */
#define INTERPOSE __attribute__((visibility("default")))

INTERPOSE int socket(int family, int type, int protocol)
{
	return is_to_fail(EMFILE) ? -1 : (int)syscall(SYS_socket, family, type, protocol);
}

INTERPOSE ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
	return is_to_fail(ECONNRESET) ? -1 : syscall(SYS_sendto, fd, bytes, count, flags, NULL, 0);
}

INTERPOSE ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
	return is_to_fail(ECONNRESET) ? -1
				      : syscall(SYS_recvfrom, fd, bytes, count, flags, NULL, NULL);
}

INTERPOSE ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	return is_to_fail(ECONNRESET) ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}

INTERPOSE int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	return operation == EPOLL_CTL_ADD && is_to_fail(ENOSPC)
		       ? -1
		       : (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
}

/* ---- the renewal ---- */

static int renew_failing(unsigned call)
{
	int r;

	call_count = 0;
	call_fails = call;
	is_counting = true;
	r = dso_renew(session, NULL, NULL);
	is_counting = false;
	return r;
}

static unsigned descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < FILES; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Its thread has the one descriptor of the process's that no session's opening waits for. */
static bool heartbeat_thread_has_begun(void)
{
	char path[32], target[64];

	for (int fd = 3; fd < FILES; fd++) {
		ssize_t bytes;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		bytes = readlink(path, target, sizeof target - 1);
		target[bytes > 0 ? bytes : 0] = 0;
		if (strstr(target, "/schedstat"))
			return true;
	}
	return false;
}

static struct dso_server_stat stat_by(struct dso_session *observer)
{
	struct dso_server_stat stat;

	ck_assert_int_eq(dso_server_stat(observer, &stat), 0);
	return stat;
}

/* What failed has nothing left, here or at storaged, and says so; the next one has everything
 * again. Returns how many were lost before that. */
static uint64_t must_be_tidy(struct dso_session *observer, uint64_t lost, unsigned open,
			     unsigned call)
{
	uint64_t value;

	ck_assert_msg(dso_ping(session, NULL) != 0, "call %u", call);
	ck_assert_msg(dso_counter_get(counter, &value) != 0, "call %u", call);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "session"));
	ck_assert_msg(descriptors() < open, "call %u: %u of %u", call, descriptors(), open);
	AWAIT(stat_by(observer).sessions == 1);
	if (call_error != ECONNRESET)
		ck_assert_msg(stat_by(observer).sessions_lost == lost, "call %u: no goodbye", call);
	lost = stat_by(observer).sessions_lost;
	OK(dso_renew(session, NULL, NULL));
	OK(dso_counter_get(counter, &value));
	ck_assert_uint_eq(value, 7);
	OK(dso_mutex_lock(mutex, HANG_TIMEOUT, NULL));
	OK(dso_mutex_unlock(mutex));
	ck_assert_msg(descriptors() == open, "call %u: %u of %u", call, descriptors(), open);
	return lost;
}

/* The observer's connections stay. It is one more than @lost, also where a call that failed has
 * broken it before. */
static void lose_session(struct dso_session *observer, const bool *theirs, uint64_t lost)
{
	for (int fd = 3; fd < FILES; fd++)
		if (!theirs[fd])
			shutdown(fd, SHUT_RDWR);
	AWAIT(dso_ping(session, NULL));
	AWAIT(stat_by(observer).sessions_lost > lost);
}

START_TEST(a_renewal_that_fails_at_any_call_leaves_nothing_and_can_be_tried_again)
{
	struct dso_session *observer;
	bool theirs[FILES];
	unsigned open, failed = 0;
	uint64_t lost = 0;

	daemon_start(&daemon_process, arguments);
	observer = open_session(transports[_i]);
	AWAIT(heartbeat_thread_has_begun());
	for (int fd = 0; fd < FILES; fd++)
		theirs[fd] = fcntl(fd, F_GETFD) >= 0;
	session = open_session(transports[_i]);
	OK(dso_counter_open(session, "counter", NULL, &counter));
	OK(dso_counter_set(counter, 7));
	OK(dso_mutex_open(session, "mutex", NULL, &mutex));
	ck_assert_int_ge(dso_fd(session), 0);
	open = descriptors();
	for (unsigned call = 1;; call++) {
		lose_session(observer, theirs, lost);
		lost = stat_by(observer).sessions_lost;
		if (renew_failing(call)) {
			failed++;
			lost = must_be_tidy(observer, lost, open, call);
		} else if (call_count < call) {
			break;
		}
	}
	ck_assert_uint_ge(failed, 5);
	dso_close(observer);
	dso_close(session);
	ck_assert_int_eq(daemon_stop(&daemon_process), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("renew, failing");
	TCase *tcase = tcase_create("renew, failing");

	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase,
			    a_renewal_that_fails_at_any_call_leaves_nothing_and_can_be_tried_again,
			    0, 3);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
