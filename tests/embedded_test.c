/* SPDX-License-Identifier: Apache-2.0 */
/* What is the embedded store's alone. */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>

#include "tests/runner.h"

static struct dso_session *begin(void)
{
	struct dso_session *session;

	ck_assert_msg(dso_open("embedded:embedded_test", NULL, &session) == 0, "%s",
		      dso_error(NULL));
	return session;
}

static uint32_t holder(struct dso_mutex *mutex)
{
	uint32_t owner;

	ck_assert_int_eq(dso_mutex_holder(mutex, &owner, NULL), 0);
	return owner;
}

/* There are 65,534 owner numbers. After as many sessions the first one's number must not come again. */
START_TEST(an_owner_number_is_not_given_again_while_its_session_lives)
{
	struct dso_session *first = begin();
	struct dso_mutex *mutex, *theirs;
	uint32_t owner;

	ck_assert_int_eq(dso_mutex_open(first, "m", NULL, &mutex), 0);
	ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), 0);
	owner = holder(mutex);
	for (unsigned i = 0; i < 65536 + 10; i++) {
		struct dso_session *other = begin();

		/* The last ones come round to the first one's number. */
		if (i >= 65520) {
			ck_assert_int_eq(dso_mutex_open(other, "m", NULL, &theirs), 0);
			ck_assert_int_eq(dso_mutex_lock(theirs, DSO_NOWAIT, NULL), -ETIMEDOUT);
		}
		dso_close(other);
		ck_assert_uint_eq(holder(mutex), owner);
	}
	ck_assert_int_eq(dso_mutex_unlock(mutex), 0);
	dso_close(first);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("embedded");
	TCase *tcase = tcase_create("embedded");

	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, an_owner_number_is_not_given_again_while_its_session_lives);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
