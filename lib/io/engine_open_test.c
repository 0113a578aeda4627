/* SPDX-License-Identifier: Apache-2.0 */
/* Which engine is opened, also where a seccomp profile, as containers have one, refuses
 * io_uring. */
#include "lib/io/engine.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From here on the process gets @error from the system call @number. */
static void refuse(unsigned number, unsigned error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(100);
}

/* Whether a byte goes through the engine. */
static bool works(struct io_engine *engine)
{
	const struct io_engine_ops *ops = io_ops(engine);
	struct io_stream stream = {.fd = -1};
	struct io_event event;
	char byte;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) || send(fds[1], "x", 1, 0) != 1)
		return false;
	stream.fd = fds[0];
	if (ops->add(engine, &stream))
		return false;
	ops->recv(engine, &stream, &byte, 1);
	return ops->wait(engine, &event, 1, 1000000000) == 1 && event.result == 1;
}

/* In a process of its own, that the other tests are not refused anything. Returns its exit
 * status. */
static int open_refused(unsigned number, unsigned error)
{
	pid_t child = child_fork();

	if (child == 0) {
		struct io_engine *engine;

		refuse(number, error);
		if (io_engine_open("io_uring", 4, &engine) != -(int)error)
			_exit(1);
		if (io_engine_open("auto", 4, &engine))
			_exit(2);
		if (strcmp(io_ops(engine)->name, "poll") != 0)
			_exit(3);
		_exit(works(engine) ? 0 : 4);
	}
	return child_status(child);
}

START_TEST(auto_is_poll_where_io_uring_is_not_permitted)
{
	ck_assert_int_eq(open_refused(SYS_io_uring_setup, EPERM), 0);
}
END_TEST

START_TEST(auto_is_poll_where_there_is_no_io_uring)
{
	ck_assert_int_eq(open_refused(SYS_io_uring_setup, ENOSYS), 0);
}
END_TEST

/* These can only be told from io_uring_setup's refusal where that one is permitted. */
START_TEST(auto_is_poll_where_only_entering_a_ring_is_refused)
{
	ck_assert_int_eq(open_refused(SYS_io_uring_enter, EPERM), 0);
}
END_TEST

START_TEST(auto_is_poll_where_only_registering_is_refused)
{
	ck_assert_int_eq(open_refused(SYS_io_uring_register, EPERM), 0);
}
END_TEST

START_TEST(auto_is_io_uring_where_that_works)
{
	struct io_engine *engine;

	ck_assert_int_eq(io_engine_open("auto", 4, &engine), 0);
	ck_assert_str_eq(io_ops(engine)->name, "io_uring");
	ck_assert(works(engine));
	io_ops(engine)->close(engine);
}
END_TEST

START_TEST(poll_is_had_by_name_and_another_name_is_refused)
{
	struct io_engine *engine;

	ck_assert_int_eq(io_engine_open("epoll", 4, &engine), -EINVAL);
	ck_assert_int_eq(io_engine_open("poll", 4, &engine), 0);
	ck_assert_str_eq(io_ops(engine)->name, "poll");
	io_ops(engine)->close(engine);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine open");
	TCase *tests = tcase_create("open");
	struct io_engine *engine;

	tcase_add_test(tests, auto_is_poll_where_io_uring_is_not_permitted);
	tcase_add_test(tests, auto_is_poll_where_there_is_no_io_uring);
	tcase_add_test(tests, poll_is_had_by_name_and_another_name_is_refused);
	if (io_engine_open("io_uring", 4, &engine) == 0) {
		io_ops(engine)->close(engine);
		tcase_add_test(tests, auto_is_io_uring_where_that_works);
		tcase_add_test(tests, auto_is_poll_where_only_entering_a_ring_is_refused);
		tcase_add_test(tests, auto_is_poll_where_only_registering_is_refused);
	}
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
