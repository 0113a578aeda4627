/* SPDX-License-Identifier: Apache-2.0 */
/* Functions on a gateway, where the driver creates containers, waits for them and deletes them:
 * Jobs of Kubernetes, containers of podman's. */
#include "tests/functions_gateway.h"

#include "tests/await.h"

#include <errno.h>
#include <string.h>

/* ---- Kubernetes and podman ---- */

/* How the driver learns that a worker is over. */
static const char *look(void)
{
	return is_kind("podman") ? "WAIT" : "GET";
}

START_TEST(workers_are_deleted_when_the_executor_is_closed)
{
	open_executor_of(2, "function", "", "idle_ms=600000");
	check_squares(CALLS);
	ck_assert_uint_eq(gateway_count(&gateway, "deleted"), 0);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_gt(gateway_count(&gateway, "request"), 0);
	ck_assert_uint_eq(gateway_count(&gateway, "deleted"), gateway_count(&gateway, "request"));
}
END_TEST

/* Closing waits for workers for half a second, and this one is created later. */
START_TEST(a_worker_that_is_being_created_when_the_executor_is_closed_is_deleted)
{
	struct dso_thread *thread;

	open_executor_of(1, "function", "tardy", "");
	thread = create_square();
	AWAIT(gateway_count(&gateway, "request") == 1);
	dso_thread_detach(thread);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(gateway_count(&gateway, "deleted"), 1);
}
END_TEST

START_TEST(a_deletion_that_fails_as_the_executor_is_closed_is_tried_again)
{
	open_executor_of(1, "function", "DELETE:500,DELETE:429,DELETE:truncate", "idle_ms=600000");
	check_squares(1);
	dso_executor_close(executor);
	executor = NULL;
	ck_assert_uint_eq(gateway_count(&gateway, "deleted"), 1);
	ck_assert_uint_eq(gateway_count(&gateway, "DELETE"), 4);
}
END_TEST

START_TEST(looks_that_fail_end_no_worker_until_there_are_too_many)
{
	char list[64];

	snprintf(list, sizeof list, "%1$s:500,%1$s:429,%1$s:500,%1$s:500", look());
	open_executor_of(1, "function", list, "idle_ms=1");
	check_squares(1);
	await_leaving();
	ck_assert_uint_eq(gateway_count(&gateway, "request"), 1);
	ck_assert_uint_ge(gateway_count(&gateway, look()), 5);
}
END_TEST

START_TEST(a_worker_that_cannot_be_looked_at_is_deleted_and_another_is_created)
{
	char list[80];

	snprintf(list, sizeof list, "%1$s:garbage,%1$s:500,%1$s:500,%1$s:500,%1$s:500,%1$s:500",
		 look());
	open_executor_of(1, "function", list, "idle_ms=1");
	check_squares(1);
	AWAIT(gateway_count(&gateway, "deleted") == 1);
	check_squares(1);
	AWAIT(gateway_count(&gateway, "deleted") == 2);
	check_squares(1);
	ck_assert_int_eq(value_of("runs"), 3);
}
END_TEST

/* A container that is not the driver's program, and what it said last. */
START_TEST(the_last_words_of_a_container_that_fails_are_told)
{
	open_executor_of(1, "words", "", "failures=1");
	ck_assert_int_eq(join_broken(create_square(), "without an answer: no space left"), -ECHILD);
	AWAIT(gateway_count(&gateway, "deleted") == 1);
}
END_TEST

/* ---- Kubernetes ---- */

START_TEST(a_wrong_token_is_told)
{
	char url[600];

	snprintf(url, sizeof url, "%s&token=/dev/null&failures=1", url_of("function", ""));
	OK(dso_executor_open(session, url, NULL, &executor));
	ck_assert_int_eq(join_broken(create_square(), "Unauthorized"), -ECHILD);
}
END_TEST

START_TEST(a_server_with_another_certificate_is_refused)
{
	char url[600];

	snprintf(url, sizeof url, "%s&authority=/etc/ssl/certs/ca-certificates.crt&failures=1",
		 url_of("function", ""));
	OK(dso_executor_open(session, url, NULL, &executor));
	ck_assert_int_eq(join_broken(create_square(), "certificate"), -ECHILD);
	ck_assert_uint_eq(gateway_count(&gateway, "request"), 0);
	AWAIT(gateway_count(&gateway, "handshake") > 0);
}
END_TEST

/* As in a pod, whose service account is not there. */
START_TEST(a_pods_environment_names_the_server)
{
	setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1", 1);
	setenv("KUBERNETES_SERVICE_PORT", strrchr(gateway.secured, ':') + 1, 1);
	OK(dso_executor_open(session, "kubernetes:function?failures=1", NULL, &executor));
	ck_assert_int_eq(join_broken(create_square(), "a job cannot be created"), -ECHILD);
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
}
END_TEST

/* ---- podman ---- */

START_TEST(an_image_that_is_not_there_is_refused_at_once)
{
	open_executor_of(2, "nowhere", "", "");
	ck_assert_int_eq(join_broken(create_square(), "nowhere: image not known"), -ECHILD);
	AWAIT(gateway_count(&gateway, "DELETE") > 0);
}
END_TEST

START_TEST(a_container_that_cannot_be_started_is_deleted_and_another_is_created)
{
	open_executor_of(1, "function", "START:500,START:500", "idle_ms=1");
	check_squares(1);
	await_leaving();
	ck_assert_uint_ge(gateway_count(&gateway, "request"), 2);
}
END_TEST

START_TEST(the_status_of_a_container_that_says_nothing_is_told)
{
	open_executor_of(1, "function", "kill", "failures=1");
	ck_assert_int_eq(join_broken(create_square(), "a container ended with status 137"),
			 -ECHILD);
	dso_executor_close(executor);
	/* Nor is there a log to be read. */
	open_executor_of(1, "words", "GET:garbage", "failures=1");
	ck_assert_int_eq(join_broken(create_square(), "a container ended with status 1"), -ECHILD);
}
END_TEST

START_TEST(a_container_has_the_socket_of_storaged_unless_the_url_says_how_it_gets_in)
{
	char options[300];

	open_executor_of(1, "function", "", "idle_ms=1");
	check_squares(1);
	await_leaving();
	ck_assert_uint_eq(gateway_count(&gateway, "network none"), 1);
	ck_assert_uint_eq(gateway_count(&gateway, "mount bind"), 1);
	dso_executor_close(executor);
	snprintf(options, sizeof options,
		 "idle_ms=1&network=functions&user=10001&pid=host&volume=socket:/run/dso:ro&"
		 "volume=/tmp:/data&env=DSO_URL=%s&env=PATH",
		 dso_url(session));
	open_executor_of(1, "function", "", options);
	check_squares(1);
	await_leaving();
	ck_assert_uint_eq(gateway_count(&gateway, "network bridge"), 1);
	ck_assert_uint_eq(gateway_count(&gateway, "mount bind"), 2);
	ck_assert_uint_eq(gateway_count(&gateway, "mount bind /data"), 1);
}
END_TEST

START_TEST(what_drivers_have_left_is_pruned_once)
{
	open_executor_of(2, "function", "", "timeout_ms=100000&idle_ms=1");
	check_squares(CALLS);
	await_leaving();
	check_squares(CALLS);
	ck_assert_uint_eq(gateway_count(&gateway, "prune"), 1);
	ck_assert_uint_eq(gateway_count(&gateway, "prune %7B%22label%22:%5B%22dso-rdma=worker%22"
						  "%5D,%22until%22:%5B%22130s%22%5D%7D"),
			  1);
}
END_TEST

/* ---- the suite ---- */

void add_container_tests(TCase *tests)
{
	const TTest *const of_ends[] = {
		workers_are_deleted_when_the_executor_is_closed,
		a_worker_that_is_being_created_when_the_executor_is_closed_is_deleted,
		a_deletion_that_fails_as_the_executor_is_closed_is_tried_again,
		looks_that_fail_end_no_worker_until_there_are_too_many,
		a_worker_that_cannot_be_looked_at_is_deleted_and_another_is_created,
		the_last_words_of_a_container_that_fails_are_told,
	};
	const TTest *const of_kubernetes[] = {
		a_wrong_token_is_told,
		a_server_with_another_certificate_is_refused,
		a_pods_environment_names_the_server,
	};
	const TTest *const of_podman[] = {
		an_image_that_is_not_there_is_refused_at_once,
		a_container_that_cannot_be_started_is_deleted_and_another_is_created,
		the_status_of_a_container_that_says_nothing_is_told,
		a_container_has_the_socket_of_storaged_unless_the_url_says_how_it_gets_in,
		what_drivers_have_left_is_pruned_once,
	};

	add_tests(tests, of_ends, sizeof of_ends / sizeof *of_ends);
	if (is_kind("kubernetes"))
		add_tests(tests, of_kubernetes, sizeof of_kubernetes / sizeof *of_kubernetes);
	else
		add_tests(tests, of_podman, sizeof of_podman / sizeof *of_podman);
}
