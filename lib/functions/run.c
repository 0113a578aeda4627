/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/run.h"

#include "lib/client/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For so long a driver may still seem to live after it was killed: until storaged has read the end
 * of its connection, and has taken back what it held. */
#define PATIENCE_NS (2 * DSO_SECOND)

struct run {
	struct run *next;
	char name[RUN_NAME_BYTES_MAX + 1];
	struct dso_session *session; /* that drives it; unused while no executor is open */
	struct dso_mutex *driver;    /* locked; NULL: no executor is open */
	unsigned executors;          /* that are open */
	unsigned opened;             /* executors, since the program or the run began */
};

/* The runs of this process, each for ever: executors of a run that are opened one after the other
 * have different numbers. */
static struct run *runs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local bool is_for_workers;

void run_is_for_workers(void)
{
	is_for_workers = true;
}

int run_name_of(const char *given, struct run_name *ret_name)
{
	const char *run = given ? given : getenv("DSO_RUN"), *rank = getenv("DSO_RANK");
	int length;

	if (!run || !*run || (!given && is_for_workers))
		return -ENOENT;
	if (given || !rank || !*rank)
		length = snprintf(ret_name->text, sizeof ret_name->text, "%s", run);
	else
		length = snprintf(ret_name->text, sizeof ret_name->text, "%s/%s", run, rank);
	return length < (int)sizeof ret_name->text ? 0 : -ENAMETOOLONG;
}

/* ---- the driver ---- */

struct holder {
	const char *name; /* of the mutex */
	char who[sizeof((struct dso_hold *)0)->who];
};

static int note_holder(const struct dso_hold *hold, void *context)
{
	struct holder *holder = context;

	if (hold->type != DSO_MUTEX || strcmp(hold->name, holder->name) != 0)
		return 0;
	memcpy(holder->who, hold->who, sizeof holder->who);
	return 1;
}

/* The session of such a holder is over, and has no access to memory any more: the driver is gone,
 * or has to learn that it has lost the run. */
static bool lingers(const struct holder *holder)
{
	return strstr(holder->who, " (lingers)") != NULL;
}

static int take_from_the_dead(struct dso_mutex *driver)
{
	uint64_t token;
	uint32_t owner;
	int r = dso_mutex_holder(driver, &owner, &token);

	if (r == 0 && owner)
		r = dso_mutex_force_unlock(driver, token);
	return r == -EAGAIN ? 0 : r;
}

static int lock_for(struct dso_mutex *driver, int64_t timeout)
{
	uint64_t token;
	int r = dso_mutex_lock(driver, timeout, &token);

	return r == -EOWNERDEAD ? dso_mutex_consistent(driver) : r;
}

/* Lock it, unless a session that lives has it: -EBUSY. */
static int lock_driver(struct dso_session *session, const char *run, const char *name,
		       struct dso_mutex *driver)
{
	struct holder holder = {.name = name};
	int r = lock_for(driver, DSO_NOWAIT), found;

	for (int64_t patience = PATIENCE_NS; r == -ETIMEDOUT; patience = DSO_NOWAIT) {
		*holder.who = 0;
		found = dso_holds(session, note_holder, &holder);
		if (found < 0)
			return found;
		if (found && lingers(&holder) && (r = take_from_the_dead(driver)))
			return r;
		if (!lingers(&holder) && patience == DSO_NOWAIT)
			return session_fail(session, -EBUSY,
					    "run %s has a driver already: %s; end that, or give "
					    "this run another name",
					    run, *holder.who ? holder.who : "another session");
		r = lock_for(driver, lingers(&holder) ? DSO_NOWAIT : patience);
	}
	return r;
}

static int take(struct dso_session *session, const char *run, struct dso_mutex **ret_driver)
{
	struct dso_mutex_params params = {.ephemeral = DSO_EPHEMERAL};
	char name[DSO_NAME_BYTES_MAX + 1], why[sizeof session->error];
	struct dso_mutex *driver;
	int r;

	snprintf(name, sizeof name, "run/%s/driver", run);
	r = dso_mutex_open(session, name, &params, &driver);
	if (r)
		return r;
	r = lock_driver(session, run, name, driver);
	if (r == 0) {
		*ret_driver = driver;
		return 0;
	}
	/* Closing must not take the place of the sentence. */
	snprintf(why, sizeof why, "%s", dso_error(session));
	dso_mutex_close(driver);
	return session_fail(session, r, "%s", why);
}

/* ---- executors ---- */

/* NULL: out of memory. */
static struct run *find(const char *name)
{
	struct run *run = runs;

	while (run && strcmp(run->name, name) != 0)
		run = run->next;
	if (run)
		return run;
	run = calloc(1, sizeof *run);
	if (!run)
		return NULL;
	snprintf(run->name, sizeof run->name, "%s", name);
	run->next = runs;
	runs = run;
	return run;
}

/* Of a run that this process drives in @session, or does not. */
static int enter(struct dso_session *session, struct run *run)
{
	int r;

	if (run->executors && run->session != session)
		return session_fail(session, -EBUSY,
				    "run %s has executors in another session of this process; "
				    "open all of them in one, or give this run another name",
				    run->name);
	if (run->executors)
		return 0;
	r = take(session, run->name, &run->driver);
	run->session = session;
	return r;
}

int run_enter(struct dso_session *session, const char *name, struct run **ret_run,
	      unsigned *ret_number)
{
	struct run *run;
	int r;

	pthread_mutex_lock(&lock);
	run = find(name);
	r = run ? enter(session, run) : session_fail(session, -ENOMEM, "out of memory for a run");
	if (r == 0) {
		run->executors++;
		*ret_number = run->opened++;
		*ret_run = run;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

void run_leave(struct run *run, bool in_vain)
{
	if (!run)
		return;
	pthread_mutex_lock(&lock);
	run->opened -= in_vain;
	run->executors--;
	if (run->executors == 0) {
		dso_mutex_close(run->driver);
		run->driver = NULL;
	}
	pthread_mutex_unlock(&lock);
}

/* ---- the end ---- */

static int end(struct dso_session *session, struct run *run)
{
	char prefix[sizeof run->name + 8];
	struct dso_mutex *driver;
	int r;

	if (run->executors)
		return session_fail(session, -EBUSY,
				    "run %s has executors that are open: close them", run->name);
	r = take(session, run->name, &driver);
	if (r)
		return r;
	snprintf(prefix, sizeof prefix, "run/%s/", run->name);
	r = dso_delete_prefix(session, prefix, NULL);
	if (r == 0)
		run->opened = 0;
	dso_mutex_close(driver);
	return r;
}

int dso_run_end(struct dso_session *session, const char *run)
{
	struct run_name name;
	struct run *known;
	int r = run_name_of(run, &name);

	if (r)
		return session_fail(session, r == -ENOENT ? -EINVAL : r, "cannot end a run: %s",
				    r == -ENOENT ? "none is named, and DSO_RUN is not set"
						 : "its name is too long");
	pthread_mutex_lock(&lock);
	known = find(name.text);
	r = known ? end(session, known) : session_fail(session, -ENOMEM, "out of memory for a run");
	pthread_mutex_unlock(&lock);
	return r;
}
