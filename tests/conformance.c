/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every transport must do, written once: conformance embedded|shm|verbs|roce|tcp. DSO_IO and DSO_POLL choose
 * further. It starts a storaged of its own, unless DSO_URL says where one is. A test's second
 * session is over CONFORMANCE_ANOTHER, if that is set.
 */
#include "tests/conformance.h"

#include <check.h>
#include <dso/dso.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/daemon.h"
#include "tests/runner.h"

static const char *transport, *url;
static struct daemon_process storage;
static unsigned name_count;

static struct dso_session *open_over(const char *name)
{
	struct dso_options options = {.transport = strcmp(name, "embedded") ? name : NULL};
	struct dso_session *session;
	int r = dso_open(url, &options, &session);

	ck_assert_msg(r == 0, "dso_open: %s", dso_error(NULL));
	ck_assert_str_eq(dso_transport(session), name);
	return session;
}

struct dso_session *conformance_open(void)
{
	return open_over(transport);
}

struct dso_session *conformance_open_another(void)
{
	const char *another = getenv("CONFORMANCE_ANOTHER");

	return open_over(another ? another : transport);
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

int main(int argc, char **argv)
{
	static const char *const memory[] = {"--memory", "320MiB", NULL};
	SRunner *runner = srunner_create(NULL);
	bool own = false;
	int failed;

	if (argc != 2) {
		fprintf(stderr, "usage: conformance embedded|shm|verbs|roce|tcp\n");
		return 2;
	}
	transport = argv[1];
	url = getenv("DSO_URL");
	if (conformance_is("embedded")) {
		url = "embedded:conformance";
	} else if (!url) {
		daemon_start(&storage, memory);
		url = daemon_url(&storage, transport);
		own = true;
	}
	srunner_add_suite(runner, conformance_counter_suite());
	srunner_add_suite(runner, conformance_register_suite());
	srunner_add_suite(runner, conformance_memory_suite());
	srunner_add_suite(runner, conformance_async_suite());
	srunner_add_suite(runner, conformance_names_suite());
	srunner_add_suite(runner, conformance_wait_suite());
	srunner_add_suite(runner, conformance_locks_suite());
	srunner_add_suite(runner, conformance_gates_suite());
	srunner_add_suite(runner, conformance_holds_suite());
	failed = run_all(runner); /* an embedded store lives in this process */
	if (own && daemon_stop(&storage) != 0) {
		printf("not ok - storaged did not drain and exit with 0\n");
		failed++;
	}
	return failed != 0;
}
