/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heartbeat thread calls no client that was removed, whatever the kernel had told it before.
 * A peer's timeout does not count the time in which the thread wanted to run and was not let.
 */
#include "lib/remote/heartbeat.h"
#include "tests/await.h"
#include "tests/runner.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* While @holds, the heartbeat thread stops between hearing of input and taking its lock. */
static atomic_bool holds;
static sem_t heard, go_on;

/* The heartbeat thread's own call comes here. */
int epoll_wait(int fd, struct epoll_event *events, int count_max, int timeout_ms)
{
	int count = epoll_pwait(fd, events, count_max, timeout_ms, NULL);

	if (count > 0 && events[0].data.ptr && atomic_exchange(&holds, false)) {
		sem_post(&heard);
		sem_wait(&go_on);
	}
	return count;
}

/* CLOCK_MONOTONIC, and of that what the heartbeat thread waited for a processor. */
static _Atomic int64_t time_ns = 1;
static int64_t waited_ns;

/* The call of lib/remote/heartbeat.c comes here. */
int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	if (clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, ret_now);
	*ret_now = clock_timespec(time_ns);
	return 0;
}

struct client {
	struct heartbeat_client client; /* the first member */
	sem_t read;
	atomic_uint read_count;
};

static bool readable(struct heartbeat_client *client)
{
	struct client *own = (struct client *)client;
	uint64_t count;

	if (read(client->fd, &count, sizeof count) == sizeof count) {
		atomic_fetch_add(&own->read_count, 1);
		sem_post(&own->read);
	}
	return true;
}

static int64_t never(struct heartbeat_client *client, int64_t now_ns)
{
	(void)client;
	(void)now_ns;
	return INT64_MAX;
}

static void begin(struct client *client)
{
	*client = (struct client){.client = {.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
					     .readable = readable,
					     .tick = never}};
	sem_init(&client->read, 0, 0);
	ck_assert_int_eq(heartbeat_add(&client->client), 0);
}

static void end(struct client *client)
{
	heartbeat_remove(&client->client);
	close(client->client.fd);
}

static void tell(const struct client *client)
{
	ck_assert_int_eq(eventfd_write(client->client.fd, 1), 0);
}

START_TEST(input_of_who_was_removed_meanwhile_is_not_read)
{
	struct client stays, goes, comes;
	int fd;

	sem_init(&heard, 0, 0);
	sem_init(&go_on, 0, 0);
	begin(&stays);
	begin(&goes);
	tell(&goes);
	sem_wait(&goes.read);
	atomic_store(&holds, true);
	tell(&goes);
	sem_wait(&heard);
	/* Its descriptor's number is another's before the heartbeat thread comes to it. */
	fd = goes.client.fd;
	end(&goes);
	begin(&comes);
	ck_assert_int_eq(comes.client.fd, fd);
	goes.client.fd = fd;
	tell(&comes);
	tell(&stays);
	sem_post(&go_on);
	/* Nothing is lost by that. */
	sem_wait(&stays.read);
	sem_wait(&comes.read);
	ck_assert_uint_eq(atomic_load(&goes.read_count), 1);
	ck_assert_uint_eq(atomic_load(&comes.read_count), 1);
	end(&comes);
	end(&stays);
}
END_TEST

/* The descriptor by which the heartbeat thread asks the kernel how long it waited, -1: it has none
 * yet. */
static int schedstat_fd(void)
{
	char path[32], to[64];

	for (int fd = 0; fd < 256; fd++) {
		ssize_t n;

		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		n = readlink(path, to, sizeof to - 1);
		if (n <= 0)
			continue;
		to[n] = 0;
		if (strstr(to, "/schedstat"))
			return fd;
	}
	return -1;
}

/* The thread runs, or waits for a processor, for @ns. */
static void runs(int64_t ns)
{
	time_ns += ns;
}

static void starves(int kernel, int64_t ns)
{
	char text[64];
	int length = snprintf(text, sizeof text, "1 %lld 1\n", (long long)(waited_ns += ns));

	time_ns += ns;
	ck_assert_int_eq(pwrite(kernel, text, (size_t)length, 0), length);
}

START_TEST(a_timeout_is_over_when_the_thread_could_run_for_the_whole_of_it)
{
	enum { WHOLE = 1000, REST = WHOLE / 4, LONG = 1000000 };
	int kernel = memfd_create("schedstat", MFD_CLOEXEC), fd;
	struct peer_timeout timeout;
	struct client client;

	begin(&client);
	AWAIT((fd = schedstat_fd()) >= 0);
	ck_assert_int_eq(dup2(kernel, fd), fd);
	heartbeat_timeout_begin(&timeout, WHOLE);
	starves(kernel, LONG);
	ck_assert(!heartbeat_timeout_is_over(&timeout));
	runs(WHOLE - REST - 1);
	ck_assert(!heartbeat_timeout_is_over(&timeout));
	ck_assert_int_eq(heartbeat_timeout_until_ns(&timeout), time_ns + 1);
	/* The last quarter begins when it is seen that the rest is over. */
	starves(kernel, LONG);
	runs(LONG);
	ck_assert(!heartbeat_timeout_is_over(&timeout));
	starves(kernel, LONG);
	ck_assert(!heartbeat_timeout_is_over(&timeout));
	runs(REST - 1);
	ck_assert(!heartbeat_timeout_is_over(&timeout));
	runs(1);
	ck_assert(heartbeat_timeout_is_over(&timeout));
	end(&client);
	close(kernel);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("heartbeat");
	TCase *tests = tcase_create("heartbeat");

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, input_of_who_was_removed_meanwhile_is_not_read);
	tcase_add_test(tests, a_timeout_is_over_when_the_thread_could_run_for_the_whole_of_it);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
