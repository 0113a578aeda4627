/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How everything can end, a row each, over every transport: what becomes of a mutex that a session
 * holds, and of what it has in a map, a set, a queue and an aggregator; and what the session's own
 * calls say from then on. A cell that is not there has a reason
 * beside its row.
 */
#include "tests/collections.h"
#include "tests/ends.h"
#include "tests/leap/leap.h"
#include "tests/victim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum transport_bit {
	EMBEDDED = 1,
	SHM = 2,
	ROCE = 4,
	TCP = 8,
	REMOTE = SHM | ROCE | TCP,
	ALL = 15
};

static const struct {
	const char *name;
	enum transport_bit bit;
} columns[] = {{"embedded", EMBEDDED}, {"shm", SHM}, {"roce", ROCE}, {"tcp", TCP}};
#define COLUMNS (sizeof columns / sizeof *columns)

#define TTL (1200 * DSO_SECOND)

/* What another finds who tries to take the mutex. */
enum found {
	HELD,       /* it is held, by a session that lives */
	GIVEN_BACK, /* the holder is gone, and the mutex is free */
	KEPT,       /* its session is lost, and its process has the memory mapped */
	DELETED,
	NOBODY, /* there is nobody to try */
};

static struct victim victim;
static struct dso_session *observer;
static struct dso_mutex *mutex;
static struct collections collections;
static const char *name;

static void kill_process(void)
{
	kill(victim.pid, SIGKILL);
}

/* The TTL passes; the observer lets hear of itself meanwhile. */
static void freeze(void)
{
	process_freeze(victim.pid);
	for (int i = 0; i < 5; i++) {
		ends_holder(observer, name);
		leap(storage.pid, TTL / 4);
	}
}

static bool is_swept_or_lost(void *context)
{
	const char *who = ends_holder(observer, name);

	(void)context;
	return *who == 0 || strstr(who, "(lost)") != NULL;
}

static void freeze_and_thaw(void)
{
	freeze();
	ends_until(is_swept_or_lost, NULL, "a frozen session is fenced");
	kill(victim.pid, SIGCONT);
	victim_order(&victim, 's');
}

/* For less than anybody's timeout. */
static void stop_storaged(void)
{
	process_freeze(storage.pid);
	kill(storage.pid, SIGCONT);
	victim_order(&victim, 'p');
}

/* Another one comes in its place; this session is of the one before. */
static void restart_storaged(void)
{
	dso_close(observer);
	observer = NULL;
	ends_stop();
	ends_start(NULL);
	victim_order(&victim, 's');
}

static void delete_object(void)
{
	ck_assert_int_eq(dso_object_delete(observer, name), 0);
	ck_assert_int_eq(collections_delete(observer, name), 0);
	victim_order(&victim, 'x');
}

/* A connection was closed, whichever is seen first. */
#define ANY_CLOSED "control_closed control_broke data_closed data_broke path_gone"

static const struct row {
	const char *name;
	void (*end)(void);
	char order; /* of the victim's, where there is no function */
	int transports;
	enum found found;
	enum found found_mapped; /* over shm */
	/* for which reason storaged counts its end; more than one where each of them may be noticed
	 * first. NULL: it goes on */
	const char *reasons;
} rows[] = {
	{"normal", NULL, 'c', ALL, GIVEN_BACK, GIVEN_BACK, "goodbye"},
	{"error", NULL, 'w', ALL, HELD, HELD, NULL},
	{"interrupt", NULL, 'i', ALL, HELD, HELD, NULL},
	{"deadline", NULL, 't', ALL, HELD, HELD, NULL},
	/* An embedded store ends with its process. */
	{"kill -9", kill_process, 0, REMOTE, GIVEN_BACK, GIVEN_BACK, ANY_CLOSED},
	{"freeze", freeze, 0, REMOTE, GIVEN_BACK, KEPT, "silent"},
	{"thaw", freeze_and_thaw, 0, REMOTE, GIVEN_BACK, KEPT, "silent"},
	{"fork", NULL, 'F', ALL, HELD, HELD, NULL},
	{"exec", NULL, 'e', REMOTE, GIVEN_BACK, GIVEN_BACK, ANY_CLOSED},
	/* An embedded store has no paths, and a mapping does not break. */
	{"lost data path", NULL, 'q', ROCE | TCP, GIVEN_BACK, GIVEN_BACK, ANY_CLOSED},
	{"lost control path", NULL, 'b', REMOTE, GIVEN_BACK, KEPT, ANY_CLOSED},
	{"storaged stopped", stop_storaged, 0, REMOTE, HELD, HELD, NULL},
	{"storaged restarted", restart_storaged, 0, REMOTE, NOBODY, NOBODY, NULL},
	{"deletion", delete_object, 0, ALL, DELETED, DELETED, NULL},
	{"full arena", NULL, 'm', ALL, HELD, HELD, NULL},
};
#define ROWS (sizeof rows / sizeof *rows)

static void expect(const struct row *row, enum found found)
{
	switch (found) {
	case HELD:
		collections_expect(&collections, false, false);
		ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ETIMEDOUT);
		ck_assert_msg(strchr(ends_holder(observer, name), '(') == NULL, "%s",
			      ends_holder(observer, name));
		break;
	case GIVEN_BACK:
		collections_expect(&collections, true, strcmp(row->reasons, "goodbye") != 0);
		ck_assert_int_eq(dso_mutex_lock(mutex, ENDS_HANG_TIMEOUT, NULL), -EOWNERDEAD);
		break;
	case KEPT:
		ends_until_noted(observer, name, " (lost)");
		collections_expect(&collections, false, false);
		ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ETIMEDOUT);
		break;
	case DELETED:
		ck_assert(collections_say(&collections, -ESTALE));
		ck_assert_int_eq(dso_mutex_lock(mutex, DSO_NOWAIT, NULL), -ESTALE);
		break;
	case NOBODY:
		break;
	}
}

/* The end was counted once, for its reason, and as what it was. */
static void expect_counted(const struct row *row)
{
	bool is_silence = row->reasons && !strcmp(row->reasons, "silent");
	bool is_lost = row->reasons && !strcmp(row->reasons, ANY_CLOSED);
	struct dso_server_stat stat;

	ck_assert_uint_eq(ends_counted(observer, ""), row->reasons != NULL);
	if (row->reasons)
		ck_assert_uint_eq(ends_counted(observer, row->reasons), 1);
	ck_assert_int_eq(dso_server_stat(observer, &stat), 0);
	ck_assert_uint_eq(stat.sessions_lost, is_lost);
	ck_assert_uint_eq(stat.sessions_fenced, is_silence);
	ck_assert_uint_eq(stat.sessions_begun, 2);
}

/* The row is printed where the cell fails. */
static void begin(const struct row *row, const char *transport)
{
	static const char *const arguments[] = {"--memory", "1MiB", "--ttl", "20m", NULL};
	bool embedded = !strcmp(transport, "embedded");
	struct dso_options options = {.timeout = ENDS_HANG_TIMEOUT};

	setenv("DSO_TIMEOUT_MS", "60000", 1);
	printf("# %s over %s\n", row->name, transport);
	name = ends_name();
	if (embedded) {
		victim = victim_here("embedded:ends", name);
		ck_assert_int_eq(dso_open("embedded:ends", &options, &observer), 0);
	} else {
		ends_start(arguments);
		victim = victim_start(daemon_url(&storage, transport), transport, name, 0);
		observer = ends_open("tcp", 0);
	}
	victim_order(&victim, 'u');
	mutex = ends_mutex(observer, name);
	ck_assert_int_eq(collections_open(observer, name, &collections), 0);
}

START_TEST(each_end_of_each_transport_leaves_what_the_table_says)
{
	const struct row *row = &rows[_i / COLUMNS];
	const char *transport = columns[_i % COLUMNS].name;
	bool maps = columns[_i % COLUMNS].bit == SHM;

	if (!(row->transports & columns[_i % COLUMNS].bit))
		return;
	begin(row, transport);
	if (row->end)
		row->end();
	else
		victim_order(&victim, row->order);
	expect(row, maps ? row->found_mapped : row->found);
	if (observer && columns[_i % COLUMNS].bit != EMBEDDED)
		expect_counted(row);
	victim_kill(&victim);
	/* Whatever it was: when the process is gone nothing of it is left. */
	if (observer && columns[_i % COLUMNS].bit != EMBEDDED)
		ends_until_sessions(observer, 1);
	dso_close(observer);
	if (columns[_i % COLUMNS].bit != EMBEDDED)
		ends_stop();
}
END_TEST

Suite *ends_table_suite(void)
{
	Suite *suite = suite_create("table");
	TCase *tests = tcase_create("table");

	tcase_set_timeout(tests, 300);
	tcase_add_loop_test(tests, each_end_of_each_transport_leaves_what_the_table_says, 0,
			    ROWS * COLUMNS);
	suite_add_tcase(suite, tests);
	return suite;
}
