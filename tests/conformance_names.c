/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by name: open, delete, list, stat, and what becomes of handles to deleted ones. */
#include "proto/lists.h"
#include "tests/await.h"
#include "tests/conformance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct dso_session *session;

static void setup(void)
{
	session = conformance_open();
}

static void teardown(void)
{
	dso_close(session);
}

/* What another session deleted is known here when a notice has arrived, within a moment. */
static int add_until_stale(struct dso_counter *counter)
{
	struct timespec moment = {.tv_nsec = 1000000};
	int r = 0;

	for (int i = 0; i < 5000 && r == 0; i++) {
		r = dso_counter_add(counter, 1, NULL);
		nanosleep(&moment, NULL);
	}
	return r;
}

START_TEST(a_deleted_object_is_stale_for_everyone_who_has_it_open)
{
	struct dso_session *second = conformance_open_another();
	const char *name = conformance_name();
	struct dso_counter *mine, *theirs;

	OK(session, dso_counter_open(session, name, NULL, &mine));
	OK(second, dso_counter_open(second, name, NULL, &theirs));
	OK(second, dso_object_delete(second, name));
	ck_assert_int_eq(add_until_stale(mine), -ESTALE);
	ck_assert_int_eq(add_until_stale(theirs), -ESTALE);
	ck_assert_int_eq(dso_counter_get(mine, NULL), -ESTALE);
	ck_assert_int_eq(dso_counter_cas(mine, 0, 1, NULL), -ESTALE);
	ck_assert_int_eq(dso_counter_add_submit(mine, 1, 1), -ESTALE);
	ck_assert_ptr_nonnull(strstr(dso_error(session), name));
	ck_assert_int_eq(dso_object_delete(session, name), -ENOENT);
	dso_counter_close(mine);
	dso_close(second);
}
END_TEST

#define MANY 3000

static struct dso_counter *many[MANY];

static void open_many(const char *base)
{
	char name[64];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "%s.%u", base, i);
		OK(session, dso_counter_open(session, name, NULL, &many[i]));
	}
}

static void delete_many(struct dso_session *by, const char *base)
{
	char name[64];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof name, "%s.%u", base, i);
		OK(by, dso_object_delete(by, name));
	}
}

static void close_many(void)
{
	for (unsigned i = 0; i < MANY; i++)
		dso_counter_close(many[i]);
}

START_TEST(a_session_whose_thousands_of_objects_are_deleted_at_once_goes_on)
{
	struct dso_session *second = conformance_open_another();
	const char *base = conformance_name();
	struct dso_server_stat before, stat;

	OK(session, dso_server_stat(session, &before));
	open_many(base);
	delete_many(second, base);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_int_eq(add_until_stale(many[i]), -ESTALE);
	OK(session, dso_ping(session, NULL));
	/* Each was acknowledged, and is nowhere any more once its memory was cleaned; what earlier
	 * tests deleted may be cleaned meanwhile, too. */
	close_many();
	OK(session, dso_server_stat(session, &stat));
	ck_assert_uint_eq(stat.objects, before.objects);
	while (stat.region_used_bytes > before.region_used_bytes)
		OK(session, dso_server_stat(session, &stat));
	dso_close(second);
}
END_TEST

START_TEST(thousands_of_handles_closed_in_a_row_end_no_session)
{
	const char *base = conformance_name();

	for (unsigned round = 0; round < 2; round++) {
		open_many(base);
		close_many();
		OK(session, dso_ping(session, NULL));
	}
	delete_many(session, base);
}
END_TEST

START_TEST(a_new_object_of_a_deleted_ones_name_is_another_one)
{
	const char *name = conformance_name();
	struct dso_counter *old, *fresh;
	struct dso_stat first, second;
	int64_t value;

	OK(session, dso_counter_open(session, name, NULL, &old));
	OK(session, dso_counter_add(old, 5, NULL));
	OK(session, dso_object_stat(session, name, &first));
	OK(session, dso_object_delete(session, name));
	OK(session, dso_counter_open(session, name, NULL, &fresh));
	OK(session, dso_object_stat(session, name, &second));
	ck_assert_uint_ne(first.generation, second.generation);
	OK(session, dso_counter_get(fresh, &value));
	ck_assert_int_eq(value, 0);
	ck_assert_int_eq(add_until_stale(old), -ESTALE);
	OK(session, dso_counter_get(fresh, &value));
	ck_assert_int_eq(value, 0);
	dso_counter_close(old);
	dso_counter_close(fresh);
}
END_TEST

START_TEST(memory_of_deleted_objects_is_used_again)
{
	struct dso_register_params params = {.capacity_bytes = 30 << 20};

	/* Each takes 60 MiB of an arena that could not hold six of them. */
	for (int i = 0; i < 12; i++) {
		const char *name = conformance_name();
		struct dso_register *reg;

		OK(session, dso_register_open(session, name, &params, &reg));
		OK(session, dso_object_delete(session, name));
		dso_register_close(reg);
	}
}
END_TEST

START_TEST(a_full_arena_says_so_and_the_rest_goes_on)
{
	struct dso_memory_params most = {.size_bytes = UINT64_C(1) << 39};
	struct dso_memory *memory;
	struct dso_counter *counter;

	ck_assert_int_eq(dso_memory_open(session, conformance_name(), &most, &memory), -ENOSPC);
	ck_assert_ptr_nonnull(strstr(dso_error(session), "bytes"));
	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_counter_add(counter, 1, NULL));
}
END_TEST

START_TEST(names_have_1_to_255_bytes_of_any_kind)
{
	struct dso_counter *counter;
	char name[258];

	memset(name, 'x', sizeof name);
	name[256] = 0;
	ck_assert_int_eq(dso_counter_open(session, name, NULL, &counter), -ENAMETOOLONG);
	ck_assert_int_eq(dso_object_delete(session, name), -ENAMETOOLONG);
	ck_assert_int_eq(dso_counter_open(session, "", NULL, &counter), -EINVAL);
	ck_assert_int_eq(dso_object_delete(session, ""), -EINVAL);
	ck_assert_int_eq(dso_object_stat(session, name, NULL), -ENAMETOOLONG);
	name[255] = 0;
	snprintf(name, 40, "%s", conformance_name());
	name[strlen(name)] = '/';
	OK(session, dso_counter_open(session, name, NULL, &counter));
	OK(session, dso_object_delete(session, name));
	OK(session, dso_counter_open(session, "\xc3\xbc \n\t'\"\\", NULL, &counter));
	OK(session, dso_object_delete(session, "\xc3\xbc \n\t'\"\\"));
}
END_TEST

START_TEST(an_object_of_another_type_is_not_opened)
{
	const char *name = conformance_name();
	struct dso_counter *counter;
	struct dso_register *reg;

	OK(session, dso_counter_open(session, name, NULL, &counter));
	ck_assert_int_eq(dso_register_open(session, name, NULL, &reg), -EEXIST);
	ck_assert_ptr_nonnull(strstr(dso_error(session), name));
	OK(session, dso_counter_add(counter, 1, NULL));
	dso_counter_close(counter);
}
END_TEST

#define LISTED 300

static int mark(const struct dso_stat *stat, void *context)
{
	unsigned *seen = context, number;

	if (sscanf(stat->name, "listed-%u", &number) == 1 && number < LISTED) {
		seen[number]++;
		ck_assert_int_eq((int)stat->type, DSO_COUNTER);
		ck_assert_uint_eq(stat->opens, 1);
	}
	return 0;
}

static int stop_at_once(const struct dso_stat *stat, void *context)
{
	return 42;
}

START_TEST(a_listing_has_every_object_once)
{
	struct dso_counter *counters[LISTED];
	unsigned seen[LISTED] = {0};
	char name[32];

	for (unsigned i = 0; i < LISTED; i++) {
		snprintf(name, sizeof name, "listed-%u", i);
		OK(session, dso_counter_open(session, name, NULL, &counters[i]));
	}
	OK(session, dso_list(session, mark, seen));
	for (unsigned i = 0; i < LISTED; i++)
		ck_assert_uint_eq(seen[i], 1);
	ck_assert_int_eq(dso_list(session, stop_at_once, NULL), 42);
	for (unsigned i = 0; i < LISTED; i++) {
		snprintf(name, sizeof name, "listed-%u", i);
		OK(session, dso_object_delete(session, name));
		dso_counter_close(counters[i]);
	}
}
END_TEST

START_TEST(stat_counts_the_handles_that_are_open_of_all_sessions)
{
	struct dso_session *second = conformance_open_another();
	const char *name = conformance_name();
	struct dso_counter *mine[2], *theirs;
	struct dso_stat stat;

	OK(session, dso_counter_open(session, name, NULL, &mine[0]));
	OK(session, dso_counter_open(session, name, NULL, &mine[1]));
	OK(second, dso_counter_open(second, name, NULL, &theirs));
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_eq(stat.opens, 3);
	dso_counter_close(mine[0]);
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_uint_eq(stat.opens, 2);
	/* A session takes its handles with it. */
	dso_close(second);
	AWAIT(dso_object_stat(session, name, &stat) || stat.opens <= 1);
	ck_assert_uint_eq(stat.opens, 1);
	OK(session, dso_counter_add(mine[1], 1, NULL));
}
END_TEST

START_TEST(every_type_has_a_name_and_no_other_number_has)
{
	static const char *const names[] = {
#define X(NAME, name, number) [DSO_##NAME] = #name,
		OBJECT_TYPES(X)
#undef X
	};
	static const unsigned last = sizeof names / sizeof *names - 1;
	const unsigned none[] = {0, last + 1, 255, 65536 + DSO_MUTEX, UINT32_MAX};

	for (unsigned type = 1; type <= last; type++)
		ck_assert_str_eq(dso_type_name((enum dso_type)type), names[type]);
	for (unsigned i = 0; i < sizeof none / sizeof *none; i++)
		ck_assert_str_eq(dso_type_name((enum dso_type)none[i]), "unknown");
}
END_TEST

START_TEST(stat_tells_what_an_object_is)
{
	struct dso_counter_params params = {.stripes = 8, .initial = 3};
	const char *name = conformance_name();
	struct dso_counter *counter;
	struct dso_stat stat;

	OK(session, dso_counter_open(session, name, &params, &counter));
	OK(session, dso_object_stat(session, name, &stat));
	ck_assert_str_eq(stat.name, name);
	ck_assert_str_eq(dso_type_name(stat.type), "counter");
	ck_assert_uint_eq(stat.parameters[0], 3);
	ck_assert_uint_eq(stat.parameters[1], 8);
	ck_assert_uint_eq(stat.opens, 1);
	ck_assert_uint_eq(stat.length_bytes, 64 * 9);
	ck_assert_int_eq(dso_object_stat(session, "no such object", &stat), -ENOENT);
	dso_counter_close(counter);
}
END_TEST

START_TEST(storaged_answers_and_tells_its_figures)
{
	const struct dso_memory_params million = {.size_bytes = 1 << 20};
	struct dso_server_stat before, stat;
	struct dso_session *second;
	struct dso_memory *memory;
	struct dso_counter *counter;
	int64_t round_trip = -1;

	OK(session, dso_ping(session, &round_trip));
	ck_assert_int_ge(round_trip, 0);
	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_server_stat(session, &before));
	second = conformance_open_another();
	OK(session, dso_memory_open(session, conformance_name(), &million, &memory));
	OK(session, dso_counter_add(counter, 1, NULL));
	OK(session, dso_server_stat(session, &stat));
	ck_assert_uint_ge(stat.sessions, 2);
	ck_assert_uint_le(stat.sessions, stat.sessions_max);
	ck_assert_uint_eq(stat.sessions_begun, before.sessions_begun + 1);
	ck_assert_uint_eq(stat.objects, before.objects + 1);
	ck_assert_uint_lt(stat.objects, stat.objects_max);
	/* Earlier tests may leave less meanwhile. */
	ck_assert_uint_ge(stat.region_used_bytes, 1 << 20);
	ck_assert_uint_gt(stat.region_bytes, stat.region_used_bytes);
	ck_assert_uint_eq(stat.region_bytes, before.region_bytes);
	ck_assert_uint_eq(stat.protocol_errors, before.protocol_errors);
	ck_assert_uint_ge(stat.uptime, before.uptime);
	ck_assert_str_eq(stat.version, dso_version());
	ck_assert_str_eq(stat.domain, conformance_is("verbs") ? "device" : "cpu");
	ck_assert_str_ne(stat.domain_reason, "");
	if (conformance_is("embedded"))
		ck_assert_str_eq(stat.io, "none");
	else
		ck_assert(!strcmp(stat.io, "io_uring") || !strcmp(stat.io, "poll"));
	ck_assert_int_eq(stat.session_ttl > 0, !conformance_is("embedded"));
	dso_close(second);
}
END_TEST

START_TEST(transport_roce_counts_its_packets_and_no_other_does)
{
	struct dso_figure figures[DSO_FIGURES_MAX + 1];
	uint64_t sent = 0, here = 0;
	struct dso_counter *counter;
	size_t count = 0, one = 9;

	OK(session, dso_counter_open(session, conformance_name(), NULL, &counter));
	OK(session, dso_counter_add(counter, 1, NULL));
	OK(session, dso_transport_stat(session, figures, DSO_FIGURES_MAX + 1, &count));
	ck_assert_uint_le(count, DSO_FIGURES_MAX);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_le(figures[i].at_storaged, 1);
		ck_assert_uint_eq(figures[i].reserved, 0);
		ck_assert_str_ne(figures[i].name, "");
		here += !figures[i].at_storaged;
		if (!figures[i].at_storaged && !strcmp(figures[i].name, "packets_sent"))
			sent = figures[i].value;
	}
	ck_assert_int_eq(here > 0, conformance_is("roce"));
	ck_assert_int_eq(sent > 0, conformance_is("roce"));
	/* No more than there is room for. */
	memset(figures, 0x5a, sizeof figures);
	OK(session, dso_transport_stat(session, figures, 1, &one));
	ck_assert_uint_eq(one, count > 0);
	ck_assert_int_eq(figures[1].name[0], 0x5a);
}
END_TEST

static int never(const struct dso_loss *loss, void *context)
{
	(void)loss;
	(void)context;
	ck_abort_msg("a session that is not over has lost nothing");
	return 0;
}

START_TEST(a_session_that_is_not_over_is_not_renewed)
{
	struct dso_mutex *mutex;

	OK(session, dso_mutex_open(session, conformance_name(), NULL, &mutex));
	OK(session, dso_mutex_lock(mutex, DSO_NOWAIT, NULL));
	OK(session, dso_renew(session, never, NULL));
	OK(session, dso_renew(session, NULL, NULL));
	OK(session, dso_mutex_unlock(mutex));
}
END_TEST

START_TEST(a_sentence_is_there_from_the_beginning_and_stays_until_the_next)
{
	struct dso_session *second = conformance_open_another();
	char before[2048];

	ck_assert_str_eq(dso_error(second), "");
	ck_assert_int_eq(dso_object_delete(second, "no such object"), -ENOENT);
	snprintf(before, sizeof before, "%s", dso_error(second));
	ck_assert_ptr_nonnull(strstr(before, "no such object"));
	ck_assert_ptr_nonnull(strstr(before, dso_url(second)));
	/* It is that session's. */
	ck_assert_int_eq(dso_object_delete(session, "nor this"), -ENOENT);
	ck_assert_str_eq(dso_error(second), before);
	dso_close(second);
}
END_TEST

START_TEST(every_transport_says_why_it_is_used_or_not)
{
	static const char *const order[] = {TRANSPORT_NAMES};
	struct dso_transport_report reports[8] = {0};
	size_t count = dso_transports(session, reports, 1);
	int chosen = 0;

	/* Their number, and no more of them than there is room for. */
	ck_assert_uint_eq(count, conformance_is("embedded") ? 1 : TRANSPORT_COUNT);
	ck_assert_ptr_null(reports[1].name);
	ck_assert_uint_eq(dso_transports(session, reports, 8), count);
	if (conformance_is("embedded"))
		ck_assert_str_eq(reports[0].name, "embedded");
	for (size_t i = 0; count == TRANSPORT_COUNT && i < count; i++)
		ck_assert_str_eq(reports[i].name, order[i]);
	for (size_t i = 0; i < count; i++) {
		chosen += reports[i].chosen;
		ck_assert_uint_gt(strlen(reports[i].reason), 5);
		if (reports[i].chosen)
			ck_assert_str_eq(reports[i].name, dso_transport(session));
	}
	ck_assert_int_eq(chosen, 1);
}
END_TEST

Suite *conformance_names_suite(void)
{
	Suite *suite = suite_create("names");
	TCase *tcase = tcase_create("names"), *thousands = tcase_create("thousands");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, a_deleted_object_is_stale_for_everyone_who_has_it_open);
	tcase_add_test(tcase, a_new_object_of_a_deleted_ones_name_is_another_one);
	tcase_add_test(tcase, memory_of_deleted_objects_is_used_again);
	tcase_add_test(tcase, a_full_arena_says_so_and_the_rest_goes_on);
	tcase_add_test(tcase, names_have_1_to_255_bytes_of_any_kind);
	tcase_add_test(tcase, an_object_of_another_type_is_not_opened);
	tcase_add_test(tcase, a_listing_has_every_object_once);
	tcase_add_test(tcase, stat_counts_the_handles_that_are_open_of_all_sessions);
	tcase_add_test(tcase, every_type_has_a_name_and_no_other_number_has);
	tcase_add_test(tcase, stat_tells_what_an_object_is);
	tcase_add_test(tcase, transport_roce_counts_its_packets_and_no_other_does);
	tcase_add_test(tcase, a_session_that_is_not_over_is_not_renewed);
	tcase_add_test(tcase, a_sentence_is_there_from_the_beginning_and_stays_until_the_next);
	tcase_add_test(tcase, storaged_answers_and_tells_its_figures);
	tcase_add_test(tcase, every_transport_says_why_it_is_used_or_not);
	suite_add_tcase(suite, tcase);
	/* Of storaged's loop and the control connection. */
	tcase_set_tags(thousands, SAME_ON_EACH_PATH);
	tcase_set_timeout(thousands, 120);
	tcase_add_checked_fixture(thousands, setup, teardown);
	tcase_add_test(thousands, a_session_whose_thousands_of_objects_are_deleted_at_once_goes_on);
	tcase_add_test(thousands, thousands_of_handles_closed_in_a_row_end_no_session);
	suite_add_tcase(suite, thousands);
	return suite;
}
