/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every transport must do, written once: conformance embedded|shm|verbs|roce|tcp. DSO_IO and
 * DSO_POLL choose further. It starts a storaged of its own, unless DSO_URL says where one is. A
 * test's second session is over CONFORMANCE_ANOTHER, if that is set. DSO_CHECK=0 leaves
 * lib/client/check.h out, and its suite.
 */
#include "tests/conformance.h"

#include <check.h>
#include <dirent.h>
#include <dso/dso.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/daemon.h"
#include "tests/fsck.h"
#include "tests/parked.h"
#include "tests/runner.h"

static const char *transport, *url;
static struct daemon_process storage;
static unsigned name_count;

static int dial(const char *name, int64_t timeout, struct dso_session **ret_session)
{
	struct dso_options options = {.transport = strcmp(name, "embedded") ? name : NULL,
				      .timeout = timeout};

	return dso_open(url, &options, ret_session);
}

int conformance_dial(struct dso_session **ret_session)
{
	return dial(transport, 0, ret_session);
}

struct dso_session *conformance_open_with_timeout(int64_t timeout)
{
	struct dso_session *session;
	int r = dial(transport, timeout, &session);

	ck_assert_msg(r == 0, "dso_open: %s", dso_error(NULL));
	return session;
}

static struct dso_session *open_over(const char *name)
{
	struct dso_session *session;
	int r = dial(name, 0, &session);

	ck_assert_msg(r == 0, "dso_open: %s", dso_error(NULL));
	ck_assert_str_eq(dso_transport(session), name);
	return session;
}

struct dso_session *conformance_open(void)
{
	return open_over(transport);
}

static const char *another_transport(void)
{
	const char *another = getenv("CONFORMANCE_ANOTHER");

	return another ? another : transport;
}

struct dso_session *conformance_open_another(void)
{
	return open_over(another_transport());
}

int conformance_dial_another(struct dso_session **ret_session)
{
	return dial(another_transport(), 0, ret_session);
}

uint64_t conformance_parked(void)
{
	struct dso_session *observer = conformance_open_another();
	uint64_t count = parked_count(observer);

	dso_close(observer);
	return count;
}

uint64_t conformance_grants_missed(void)
{
	struct dso_session *observer = conformance_open_another();
	uint64_t count = grants_missed(observer);

	dso_close(observer);
	return count;
}

void conformance_until_parked(uint64_t count)
{
	struct dso_session *observer = conformance_open_another();

	AWAIT(parked_count(observer) == count);
	dso_close(observer);
}

const char *conformance_name(void)
{
	static char name[64];

	/* Unique in the daemon's life, whatever ran against it before. */
	snprintf(name, sizeof name, "conformance-%d-%u", (int)getpid(), name_count++);
	return name;
}

bool conformance_is(const char *name)
{
	return !strcmp(transport, name);
}

/* The arena is a memfd of storaged, or of this process. */
static int open_arena(void)
{
	DIR *directory;
	struct dirent *entry;
	char path[64], target[64], found[384];
	int fd = -1;

	snprintf(path, sizeof path, "/proc/%d/fd", storage.pid ? (int)storage.pid : (int)getpid());
	directory = opendir(path);
	while (directory && fd < 0 && (entry = readdir(directory))) {
		ssize_t bytes;

		snprintf(found, sizeof found, "%s/%s", path, entry->d_name);
		bytes = readlink(found, target, sizeof target - 1);
		target[bytes > 0 ? bytes : 0] = 0;
		if (!strncmp(target, "/memfd:dso-arena", strlen("/memfd:dso-arena")))
			fd = open(found, O_RDWR | O_CLOEXEC);
	}
	if (directory)
		closedir(directory);
	return fd;
}

static size_t region_bytes;

uint8_t *conformance_region(void)
{
	int fd = open_arena();
	struct stat status;
	void *region;

	ck_assert_msg(fd >= 0 && fstat(fd, &status) == 0, "the store's memory is not found");
	region_bytes = (size_t)status.st_size;
	region = mmap(NULL, region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	ck_assert_ptr_ne(region, MAP_FAILED);
	return region;
}

void conformance_region_end(uint8_t *region)
{
	munmap(region, region_bytes);
}

uint64_t *conformance_word(uint8_t *region, struct dso_session *session, const char *name,
			   uint64_t offset)
{
	struct dso_stat stat;

	OK(session, dso_object_stat(session, name, &stat));
	return (uint64_t *)(void *)(region + stat.offset + offset);
}

/* What the tests have left behind is whole. Returns how many failures there are. */
static int look_over(void)
{
	struct dso_session *session;

	if (conformance_dial(&session)) {
		printf("not ok - what is left cannot be looked at: %s\n", dso_error(NULL));
		return 1;
	}
	fsck_until_clean(session);
	dso_close(session);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const memory[] = {"--memory", "320MiB", NULL};
	SRunner *runner = srunner_create(NULL);
	bool own = false, checks, knows_the_store;
	int failed;

	if (argc != 2) {
		fprintf(stderr, "usage: conformance embedded|shm|verbs|roce|tcp\n");
		return 2;
	}
	setenv("DSO_CHECK", "1", 0);
	transport = argv[1];
	url = getenv("DSO_URL");
	if (conformance_is("embedded")) {
		url = "embedded:conformance";
	} else if (!url) {
		daemon_start(&storage, memory);
		url = daemon_url(&storage, transport);
		own = true;
	}
	checks = !strcmp(getenv("DSO_CHECK"), "1");
	knows_the_store = own || conformance_is("embedded");
#define X(name, condition) \
	if (condition)     \
		srunner_add_suite(runner, conformance_##name##_suite());
	CONFORMANCE_SUITES(X)
#undef X
	failed = run_all(runner); /* an embedded store lives in this process */
	if (own)
		failed += look_over();
	if (own && daemon_stop(&storage) != 0) {
		printf("not ok - storaged did not drain and exit with 0\n");
		failed++;
	}
	return failed != 0;
}
