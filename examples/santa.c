/* SPDX-License-Identifier: Apache-2.0 */
/* Santa Claus, reindeer and elves in functions. santa_threads.c is the program that was ported. */
#include "santa.h"
#include "function.h"

static _Thread_local struct dso_session *session;
static _Thread_local struct dso_mutex *mutex;
static _Thread_local struct dso_condition *wake_up;
static _Thread_local struct dso_memory *board;
static _Thread_local struct dso_semaphore *anteroom;
static _Thread_local struct dso_barrier *gates[GATES];

/* They go with the driver, which opens them, too. */
static void open_all(struct dso_session *in, const char *run)
{
	struct dso_mutex_params mutex_params = {.ephemeral = DSO_EPHEMERAL};
	struct dso_condition_params wake_up_params = {.ephemeral = DSO_EPHEMERAL};
	struct dso_memory_params board_params = {.size_bytes = NOTICES * sizeof(uint64_t),
						 .ephemeral = DSO_EPHEMERAL};
	struct dso_semaphore_params anteroom_params = {.permits = GROUP,
						       .ephemeral = DSO_EPHEMERAL};

	session = in;
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
	for (enum gate gate = 0; gate < GATES; gate++)
		dso_barrier_close(gates[gate]);
}

uint64_t add(enum notice notice, uint64_t delta)
{
	uint64_t before;

	must(session, dso_memory_fetch_add(board, notice * sizeof before, delta, &before));
	return before;
}

void lock(void)
{
	must(session, dso_mutex_lock(mutex, DSO_FOREVER, NULL));
}

void unlock(void)
{
	must(session, dso_mutex_unlock(mutex));
}

void sleep_until_woken(void)
{
	must(session, dso_condition_wait(wake_up, mutex, DSO_FOREVER));
}

void wake_santa(void)
{
	must(session, dso_condition_signal(wake_up));
}

bool meet(enum gate gate)
{
	int r = dso_barrier_wait(gates[gate], DSO_FOREVER, NULL);

	must(session, r == -ENOTRECOVERABLE ? 0 : r);
	return r == 0;
}

/* A party that gives up breaks a barrier. */
void close_gate(enum gate gate)
{
	if (dso_barrier_wait(gates[gate], DSO_NOWAIT, NULL) != -ETIMEDOUT)
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

DSO_FUNCTION(be)
{
	const struct santa_task *task = dso_argument(call, NULL);
	struct report done;

	open_all(dso_call_session(call), task->job.run);
	done = santa_be(task);
	close_all();
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
	open_all(driver.session, job.run);
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
