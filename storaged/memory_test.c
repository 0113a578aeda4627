/* SPDX-License-Identifier: Apache-2.0 */
/* Over files of the tests' own in the place of those of the kernel. */
#include "storaged/memory.h"
#include "tests/runner.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static char root[64];
static struct memory memory;

/* A file and the directories above it. */
static void write_file(const char *path, const char *text)
{
	char name[256];
	FILE *stream;

	snprintf(name, sizeof name, "%s%s", root, path);
	for (char *at = name + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(name, 0700);
		*at = '/';
	}
	stream = fopen(name, "w");
	ck_assert_ptr_nonnull(stream);
	fputs(text, stream);
	fclose(stream);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk)
{
	(void)stat, (void)kind, (void)walk;
	return remove(path);
}

static void setup(void)
{
	strcpy(root, "/tmp/dso-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	write_file("/proc/meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 512000 kB\n"
				    "CommitLimit: 409600 kB\nCommitted_AS: 102400 kB\n");
	write_file("/proc/sys/vm/overcommit_memory", "0\n");
}

static void teardown(void)
{
	nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void look_at_root(void)
{
	memory_look(root, &memory);
}

START_TEST(without_control_groups_it_is_the_hosts)
{
	look_at_root();
	ck_assert_uint_eq(memory.limit_bytes, 1000 * MIB);
	ck_assert_uint_eq(memory.available_bytes, 500 * MIB);
	ck_assert(!memory.is_strict);
	ck_assert_str_eq(memory.limited_by, "the memory of this host");
}
END_TEST

START_TEST(a_group_of_version_2_limits_it_and_its_page_cache_does_not)
{
	write_file("/proc/self/cgroup", "0::/a/b\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "104857600\n");
	write_file("/sys/fs/cgroup/a/b/memory.current", "62914560\n");
	write_file("/sys/fs/cgroup/a/b/memory.stat", "anon 1\ninactive_file 20971520\n");
	look_at_root();
	ck_assert_uint_eq(memory.limit_bytes, 100 * MIB);
	ck_assert_uint_eq(memory.available_bytes, 60 * MIB);
	ck_assert_str_eq(memory.limited_by, "the control group /a/b");
}
END_TEST

START_TEST(a_group_above_limits_it_too)
{
	write_file("/proc/self/cgroup", "0::/a/b\n");
	write_file("/sys/fs/cgroup/a/b/memory.max", "max\n");
	write_file("/sys/fs/cgroup/a/memory.max", "209715200\n");
	write_file("/sys/fs/cgroup/a/memory.current", "0\n");
	look_at_root();
	ck_assert_uint_eq(memory.limit_bytes, 200 * MIB);
	ck_assert_str_eq(memory.limited_by, "the control group /a");
}
END_TEST

START_TEST(a_group_of_version_1_limits_it)
{
	write_file("/proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/g\n0::/\n");
	write_file("/sys/fs/cgroup/memory/g/memory.limit_in_bytes", "104857600\n");
	write_file("/sys/fs/cgroup/memory/g/memory.usage_in_bytes", "10485760\n");
	write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	look_at_root();
	ck_assert_uint_eq(memory.limit_bytes, 100 * MIB);
	ck_assert_uint_eq(memory.available_bytes, 90 * MIB);
}
END_TEST

START_TEST(a_group_that_is_seen_from_the_inside_is_at_the_root)
{
	write_file("/proc/self/cgroup", "4:memory:/outside/name\n");
	write_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
	look_at_root();
	ck_assert_uint_eq(memory.limit_bytes, 100 * MIB);
	ck_assert_str_eq(memory.limited_by, "the control group /");
}
END_TEST

START_TEST(where_the_kernel_promises_no_more_than_it_has_that_is_the_limit)
{
	write_file("/proc/sys/vm/overcommit_memory", "2\n");
	look_at_root();
	ck_assert(memory.is_strict);
	ck_assert_uint_eq(memory.limit_bytes, 400 * MIB);
	ck_assert_uint_eq(memory.available_bytes, 300 * MIB);
}
END_TEST

START_TEST(without_any_of_the_files_nothing_limits_it)
{
	teardown();
	look_at_root();
	ck_assert_uint_eq(memory.limit_bytes, UINT64_MAX);
	ck_assert_uint_eq(memory.available_bytes, UINT64_MAX);
}
END_TEST

START_TEST(what_is_taken_at_the_start_must_be_there_and_the_rest_is_warned_of)
{
	char reason[300];

	look_at_root();
	ck_assert_int_eq(memory_check(&memory, 500 * MIB, 2, false, reason, sizeof reason), 0);
	ck_assert_str_eq(reason, "");
	ck_assert_int_eq(memory_check(&memory, 501 * MIB, 2, false, reason, sizeof reason), 0);
	ck_assert_ptr_nonnull(strstr(reason, "2 namespaces of 501.0 MiB"));
	ck_assert_ptr_nonnull(strstr(reason, "1000.0 MiB"));
	ck_assert_int_eq(memory_check(&memory, 500 * MIB, 1, true, reason, sizeof reason), 0);
	ck_assert_int_eq(memory_check(&memory, 501 * MIB, 1, true, reason, sizeof reason), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(reason, "501.0 MiB"));
	ck_assert_ptr_nonnull(strstr(reason, "500.0 MiB"));
	memory.is_strict = true;
	ck_assert_int_eq(memory_check(&memory, 501 * MIB, 1, false, reason, sizeof reason),
			 -ENOMEM);
	ck_assert_int_eq(memory_check(&memory, UINT64_MAX, 16, false, reason, sizeof reason),
			 -ENOMEM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tests = tcase_create("memory");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, without_control_groups_it_is_the_hosts);
	tcase_add_test(tests, a_group_of_version_2_limits_it_and_its_page_cache_does_not);
	tcase_add_test(tests, a_group_above_limits_it_too);
	tcase_add_test(tests, a_group_of_version_1_limits_it);
	tcase_add_test(tests, a_group_that_is_seen_from_the_inside_is_at_the_root);
	tcase_add_test(tests, where_the_kernel_promises_no_more_than_it_has_that_is_the_limit);
	tcase_add_test(tests, without_any_of_the_files_nothing_limits_it);
	tcase_add_test(tests, what_is_taken_at_the_start_must_be_there_and_the_rest_is_warned_of);
	suite_add_tcase(suite, tests);
	return run_suite_forked(suite);
}
