/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Santa Claus, reindeer and elves in functions. santa_threads.c is the program that was ported.
 *
 * A function that is killed breaks the gates of its group, so that all meet anew: the story begins
 * again from the first year, in another age with objects of its own. A being that finds a gate
 * broken, or was killed and is run again, ends the age and wakes those who wait there. Nobody goes
 * home before all have reported in one age.
 */
#include "santa.h"
#include "function.h"

#include <setjmp.h>

static _Thread_local struct dso_session *session;
static _Thread_local struct dso_mutex *mutex;
static _Thread_local struct dso_condition *wake_up;
static _Thread_local struct dso_memory *board;
static _Thread_local struct dso_semaphore *anteroom;
static _Thread_local struct dso_barrier *gates[GATES];
static _Thread_local struct dso_map *reports; /* by being; an empty one: there will be none */

/* Of all ages, and with the driver, which opens it, too. */
enum entry {
	AGE,                       /* that it is */
	LIVED,                     /* for each being the age that it lived in last, + 1 */
	FINISHED = LIVED + BEINGS, /* all have reported: the age, + 1 */
	DELIVERIES,
	ADVICES_GIVEN,
	ENTRIES
};
static _Thread_local struct dso_memory *calendar;
static _Thread_local uint64_t age;
static _Thread_local bool is_santa;
static _Thread_local jmp_buf end_of_age; /* where a being goes that cannot go on */

static void open_calendar(struct dso_session *in, const char *run)
{
	struct dso_memory_params params = {.size_bytes = ENTRIES * sizeof(uint64_t),
					   .ephemeral = DSO_EPHEMERAL};

	session = in;
	must(session, dso_memory_open(session, name_of(run, "calendar", 0), &params, &calendar));
}

static uint64_t look_up(unsigned entry)
{
	uint64_t value;

	must(session, dso_memory_fetch_add(calendar, entry * sizeof value, 0, &value));
	return value;
}

/* Unless another being has done so. */
static void enter(unsigned entry, uint64_t before, uint64_t value)
{
	must(session, dso_memory_cas(calendar, entry * sizeof value, before, value, NULL));
}

/* What they share in the age. */
static void open_all(const char *of_all_ages)
{
	char run[2 * NAME_BYTES];
	struct dso_mutex_params mutex_params = {.ephemeral = DSO_EPHEMERAL};
	struct dso_condition_params wake_up_params = {.ephemeral = DSO_EPHEMERAL};
	struct dso_memory_params board_params = {.size_bytes = NOTICES * sizeof(uint64_t),
						 .ephemeral = DSO_EPHEMERAL};
	struct dso_semaphore_params anteroom_params = {.permits = GROUP,
						       .ephemeral = DSO_EPHEMERAL};
	struct dso_map_params reports_params = {.ephemeral = DSO_EPHEMERAL};

	snprintf(run, sizeof run, "%s-%llu", of_all_ages, (unsigned long long)age);
	must(session, dso_map_open(session, name_of(run, "reports", 0), &reports_params, &reports));
	must(session, dso_mutex_open(session, name_of(run, "mutex", 0), &mutex_params, &mutex));
	must(session,
	     dso_condition_open(session, name_of(run, "wake_up", 0), &wake_up_params, &wake_up));
	must(session, dso_memory_open(session, name_of(run, "board", 0), &board_params, &board));
	must(session,
	     dso_semaphore_open(session, name_of(run, "anteroom", 0), &anteroom_params, &anteroom));
	for (enum gate gate = 0; gate < GATES; gate++) {
		struct dso_barrier_params params = {.parties = GATE_PARTIES(gate),
						    .ephemeral = DSO_EPHEMERAL};

		must(session,
		     dso_barrier_open(session, name_of(run, "gate", gate), &params, &gates[gate]));
	}
}

static void close_all(void)
{
	dso_mutex_close(mutex);
	dso_condition_close(wake_up);
	dso_memory_close(board);
	dso_semaphore_close(anteroom);
	dso_map_close(reports);
	for (enum gate gate = 0; gate < GATES; gate++)
		dso_barrier_close(gates[gate]);
}

/* The age is over if another has begun, or a being was killed that this one meets. */
static void leave_if(bool is_over)
{
	if (is_over)
		longjmp(end_of_age, 1);
}

uint64_t add(enum notice notice, uint64_t delta)
{
	uint64_t before;

	must(session, dso_memory_fetch_add(board, notice * sizeof before, delta, &before));
	return before;
}

void lock(void)
{
	int r = dso_mutex_lock(mutex, DSO_FOREVER, NULL);

	leave_if(r == -EOWNERDEAD || r == -ENOTRECOVERABLE);
	must(session, r);
}

void unlock(void)
{
	must(session, dso_mutex_unlock(mutex));
}

void sleep_until_woken(void)
{
	int r;

	leave_if(look_up(AGE) != age);
	r = dso_condition_wait(wake_up, mutex, DSO_FOREVER);
	leave_if(r == -EOWNERDEAD || r == -ENOTRECOVERABLE);
	must(session, r);
}

void wake_santa(void)
{
	must(session, dso_condition_signal(wake_up));
}

/* A gate that is broken was closed by Santa, or one of its parties was killed. */
bool meet(enum gate gate)
{
	int r = dso_barrier_wait(gates[gate], DSO_FOREVER, NULL);

	if (r == -ENOTRECOVERABLE && gate == ENTER && !is_santa && add(CLOSED, 0))
		return false;
	leave_if(r == -ENOTRECOVERABLE);
	must(session, r);
	return true;
}

/* A party that gives up breaks a barrier. */
void close_gate(enum gate gate)
{
	int r = dso_barrier_wait(gates[gate], DSO_NOWAIT, NULL);

	if (r != -ETIMEDOUT && r != -ENOTRECOVERABLE)
		give_up("WRONG: a whole group is left at the door");
}

void enter_anteroom(void)
{
	must(session, dso_semaphore_acquire(anteroom, 1, DSO_FOREVER));
}

void leave_anteroom(void)
{
	must(session, dso_semaphore_release(anteroom, 1));
}

/* ---- ages ---- */

/* Whatever those who live in the age wait for. One that was killed with the lock has left it to who
 * takes it next, and those learn of that. */
static void wake_all(void)
{
	int r = dso_mutex_lock(mutex, DSO_FOREVER, NULL);

	must(session, dso_condition_broadcast(wake_up));
	if (r == 0 || r == -EOWNERDEAD)
		must(session, dso_mutex_unlock(mutex));
	/* Those who stand there go first: this being makes no group whole. */
	for (enum gate gate = 0; gate < GATES; gate++) {
		must(session, dso_barrier_reset(gates[gate]));
		dso_barrier_wait(gates[gate], DSO_NOWAIT, NULL);
	}
	for (uint64_t being = 0; being < BEINGS; being++)
		dso_map_put_if_absent(reports, &being, sizeof being, NULL, 0, NULL);
}

/* What this being held is given back with the handles. */
static void end_age(void)
{
	enter(AGE, age, age + 1);
	wake_all();
	close_all();
}

/* When nobody has the objects of an age any more they are gone, and new ones would be found. */
static void begin_age(const struct santa_task *task)
{
	for (;;) {
		age = look_up(AGE);
		open_all(task->job.run);
		if (look_up(AGE) == age)
			break;
		close_all();
	}
	enter(LIVED + (unsigned)task->being, look_up(LIVED + (unsigned)task->being), age + 1);
}

/* Returns whether it has lived to the end, and reported. */
static bool live(const struct santa_task *task)
{
	struct report done;

	if (setjmp(end_of_age))
		return false;
	done = santa_be(task);
	must(session,
	     dso_map_put(reports, &task->being, sizeof task->being, &done, sizeof done, NULL));
	return true;
}

/* Go back into the age in which an attempt before this one was killed. Returns whether it had
 * reported there. */
static bool go_back(const struct santa_task *task)
{
	uint64_t lived = look_up(LIVED + (unsigned)task->being);
	struct report done;
	size_t bytes = 0;

	if (lived == 0)
		return false;
	age = lived - 1;
	open_all(task->job.run);
	if (dso_map_get(reports, &task->being, sizeof task->being, &done, sizeof done, &bytes,
			NULL) == 0 &&
	    bytes)
		return true;
	/* Where they have finished meanwhile the reports are gone. */
	if (look_up(FINISHED))
		close_all();
	else
		end_age();
	return false;
}

/* Wait for the reports of all. Returns false where there is one that will not come. */
static bool finish(void)
{
	struct report report, santa = {0};
	size_t bytes;

	for (uint64_t being = 0; being < BEINGS; being++) {
		must(session, dso_map_wait(reports, &being, sizeof being, 0, &report, sizeof report,
					   DSO_FOREVER, &bytes, NULL));
		if (bytes == 0)
			return false;
		if (being == 0)
			santa = report;
	}
	enter(DELIVERIES, 0, santa.deliveries);
	enter(ADVICES_GIVEN, 0, santa.advices);
	enter(FINISHED, 0, age + 1);
	close_all();
	return true;
}

DSO_FUNCTION(be)
{
	const struct santa_task *task = dso_argument(call, NULL);
	bool has_reported;
	struct report done;

	is_santa = task->being == 0;
	open_calendar(dso_call_session(call), task->job.run);
	has_reported = dso_call_attempt(call) > 1 && go_back(task);
	while (!look_up(FINISHED)) {
		if (!has_reported) {
			begin_age(task);
			has_reported = live(task);
		}
		if (has_reported && finish())
			break;
		end_age();
		has_reported = false;
	}
	done.deliveries = look_up(DELIVERIES);
	done.advices = look_up(ADVICES_GIVEN);
	dso_memory_close(calendar);
	return dso_return(call, &done, sizeof done);
}

int main(int argc, char **argv)
{
	struct santa_task tasks[BEINGS];
	struct dso_thread *threads[BEINGS];
	void *report[BEINGS];
	struct view view = {0};
	struct santa job;

	dso_function_main(argc, argv);
	santa_take(argc, argv, &job, &view);
	driver_open(&view, BEINGS);
	open_calendar(driver.session, job.run);
	for (uint64_t i = 0; i < BEINGS; i++) {
		tasks[i] = (struct santa_task){.job = job, .being = i};
		create(be, &tasks[i], sizeof tasks[i], &threads[i]);
	}
	for (uint64_t i = 0; i < BEINGS; i++)
		join(threads[i], &report[i]);
	print_time(&view, BEINGS);
	driver_close();
	return santa_show(&job, report[0]);
}
