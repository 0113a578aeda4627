/* SPDX-License-Identifier: Apache-2.0 */
/* How sessions end, over each transport. The parts are tests/ends_*.c. */
#include "tests/ends.h"
#include "tests/leap/leap.h"
#include "tests/runner.h"
#include "tests/victim.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct daemon_process storage;

void ends_start(const char *const *arguments)
{
	daemon_start(&storage, arguments);
}

void ends_stop(void)
{
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

void ends_reap(void)
{
	int status;

	ck_assert_int_eq(waitpid(storage.pid, &status, 0), storage.pid);
	ck_assert_int_eq(status, 0);
	rmdir(storage.directory);
}

struct dso_session *ends_open(const char *transport, int64_t linger)
{
	struct dso_options options = {
		.transport = transport, .timeout = ENDS_HANG_TIMEOUT, .linger = linger};
	struct dso_session *session;

	ck_assert_msg(dso_open(daemon_url(&storage, transport), &options, &session) == 0, "%s",
		      dso_error(NULL));
	return session;
}

const char *ends_name(void)
{
	static char name[32];
	static unsigned count;

	snprintf(name, sizeof name, "ends-%u", count++);
	return name;
}

struct dso_mutex *ends_mutex(struct dso_session *session, const char *name)
{
	struct dso_mutex *mutex;

	ck_assert_msg(dso_mutex_open(session, name, NULL, &mutex) == 0, "%s", dso_error(session));
	return mutex;
}

void ends_until(bool (*holds)(void *context), void *context, const char *what)
{
	int64_t end_ns = clock_raw_ns() + ENDS_HANG_TIMEOUT;

	while (!holds(context))
		await_on(end_ns, what, __FILE__, __LINE__);
}

struct sessions {
	struct dso_session *observer;
	uint64_t count;
};

static bool are_as_many(void *context)
{
	const struct sessions *sessions = context;
	struct dso_server_stat stat;

	ck_assert_msg(dso_server_stat(sessions->observer, &stat) == 0, "%s",
		      dso_error(sessions->observer));
	return stat.sessions == sessions->count;
}

void ends_until_sessions(struct dso_session *observer, uint64_t count)
{
	struct sessions sessions = {observer, count};

	ends_until(are_as_many, &sessions, "an ended session is swept");
}

/* Whether @word is one of @words, which spaces divide. */
static bool is_among(const char *word, const char *words)
{
	size_t bytes = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += bytes)
		if ((at == words || at[-1] == ' ') && (at[bytes] == ' ' || at[bytes] == 0))
			return true;
	return false;
}

uint64_t ends_counted(struct dso_session *observer, const char *reasons)
{
	static const char prefix[] = "sessions_ended_";
	size_t prefix_bytes = strlen(prefix), count;
	struct dso_figure figures[DSO_FIGURES_MAX];
	uint64_t sum = 0;

	ck_assert_msg(dso_transport_stat(observer, figures, DSO_FIGURES_MAX, &count) == 0, "%s",
		      dso_error(observer));
	for (size_t i = 0; i < count; i++)
		if (figures[i].at_storaged && !strncmp(figures[i].name, prefix, prefix_bytes) &&
		    (!*reasons || is_among(figures[i].name + prefix_bytes, reasons)))
			sum += figures[i].value;
	return sum;
}

struct holder {
	struct dso_session *observer;
	const char *name, *note;
	char who[64];
};

static int take_holder(const struct dso_hold *hold, void *context)
{
	struct holder *holder = context;

	if (!strcmp(hold->name, holder->name))
		strcpy(holder->who, hold->who);
	return 0;
}

const char *ends_holder(struct dso_session *observer, const char *name)
{
	static struct holder holder;

	holder = (struct holder){.name = name};
	ck_assert_msg(dso_holds(observer, take_holder, &holder) == 0, "%s", dso_error(observer));
	return holder.who;
}

static bool is_noted(void *context)
{
	const struct holder *holder = context;
	const char *who = ends_holder(holder->observer, holder->name);
	size_t who_bytes = strlen(who), note_bytes = strlen(holder->note);

	return who_bytes >= note_bytes && !strcmp(who + who_bytes - note_bytes, holder->note);
}

void ends_until_noted(struct dso_session *observer, const char *name, const char *note)
{
	struct holder holder = {.observer = observer, .name = name, .note = note};

	ends_until(is_noted, &holder, note);
}

int main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
	int status;

	if (victim_main(argc, argv, &status))
		return status;
	leap_prepare();
	srunner_add_suite(runner, ends_linger_suite());
	srunner_add_suite(runner, ends_paths_suite());
	srunner_add_suite(runner, ends_mapping_suite());
	srunner_add_suite(runner, ends_waits_suite());
	srunner_add_suite(runner, ends_table_suite());
	return run_all(runner) != 0;
}
