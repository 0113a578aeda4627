/* SPDX-License-Identifier: Apache-2.0 */
/* URLs of executors that platforms refuse, each with a sentence that says what is wrong. */
#include "tests/functions_gateway.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct refusal {
	const char *kind; /* NULL: each, and the URL is options behind one that makes sense */
	const char *url, *sentence;
	const char *variable, *value; /* of the environment meanwhile; NULL: it is not set */
} refusals[] = {
	{NULL, "timeout_ms=0", "the option timeout_ms"},
	{NULL, "failures=x", "the option failures"},
	{NULL, "idle_ms", "the option idle_ms"},
	{NULL, "retries=3", "the option retries"},
	{NULL, "idle_ms=99999999999", "the option idle_ms"},
	{"lambda", "lambda:f", "AWS_REGION"},
	{"lambda", "lambda:a/b?region=x", "name of a function"},
	{"lambda", "lambda:f?region=x", "AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID", NULL},
	{"kubernetes", "kubernetes:", "name of an image"},
	{"kubernetes", "kubernetes:?server=http://s", "name of an image"},
	{"kubernetes", "kubernetes:i", "KUBERNETES_SERVICE_HOST"},
	{"kubernetes", "kubernetes:i?server=http://s&namespace=a/b", "namespace"},
	{"podman", "podman:", "name of an image"},
	{"podman", "podman:?user=1", "name of an image"},
	{"podman", "podman:i?socket=/nowhere/sock", "podman does not listen at /nowhere/sock"},
	{"podman", "podman:i?network=", "the option network"},
	{"podman", "podman:i?network=pod:x", "the option network"},
	{"podman", "podman:i?pid=none", "the option pid"},
	{"podman", "podman:i?user=", "the option user"},
	{"podman", "podman:i?env=", "the option env"},
	{"podman", "podman:i?env=DSO_NOT_SET", "the option env"},
	{"podman", "podman:i?volume=/run", "the option volume"},
	{"podman", "podman:i?volume=run:run", "the option volume"},
	{"podman", "podman:i?volume=/run:/run:rx", "the option volume"},
	{"podman", "podman:\xff", "UTF-8"},
	{"podman", "podman:i", "unix://PATH", "CONTAINER_HOST", "tcp://127.0.0.1:1"},
	{"podman", "podman:i", "podman does not listen at /nowhere/sock", "CONTAINER_HOST",
	 "unix:///nowhere/sock"},
};

/* Returns what it was before, to be freed. */
static char *set_variable(const char *name, const char *value)
{
	char *before = name && getenv(name) ? strdup(getenv(name)) : NULL;

	if (name && value)
		setenv(name, value, 1);
	else if (name)
		unsetenv(name);
	return before;
}

START_TEST(urls_that_make_no_sense_are_refused)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *refusal = &refusals[i];
		const char *url = refusal->kind ? refusal->url : url_of("function", refusal->url);
		char *before;

		if (refusal->kind && !is_kind(refusal->kind))
			continue;
		before = set_variable(refusal->variable, refusal->value);
		ck_assert_int_eq(dso_executor_open(session, url, NULL, &executor), -EINVAL);
		ck_assert_msg(strstr(dso_error(session), refusal->sentence) != NULL, "%s: %s", url,
			      dso_error(session));
		free(set_variable(refusal->variable, before));
		free(before);
	}
	ck_assert_uint_eq(objects_of_runs(), 0);
}
END_TEST

void add_refusal_tests(TCase *tests)
{
	tcase_add_test(tests, urls_that_make_no_sense_are_refused);
}
