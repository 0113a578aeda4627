/* SPDX-License-Identifier: Apache-2.0 */
/*
 * santa - J. A. Trono's Santa Claus problem: he, nine reindeer and ten elves are processes.
 *
 *   santa [YEARS]
 *
 * Santa sleeps until all nine reindeer are back, or three elves want advice; reindeer go first.
 * A group and Santa begin together and end together, at two barriers. After the last year he breaks
 * the barrier at his door, which sends home who waits there; what he did is in a future.
 */
#include "example.h"

#include <errno.h>

#define REINDEER  9
#define ELVES     10
#define GROUP     3 /* of elves */
#define PROCESSES (1 + REINDEER + ELVES)

/* What is on the notice board. The first five change under the mutex. */
#define BACK         0  /* reindeer */
#define AT_DOOR      8  /* elves */
#define CLOSED       16 /* for elves */
#define ADVICES      24 /* that have begun */
#define ADVICES_THEN 32 /* when the last reindeer came back */
#define WITH         40 /* whom Santa is with: 0, REINDEER or GROUP */
#define HITCHED      48 /* reindeer that took part, all years together */
#define ADVISED      56 /* elves that did */
#define BOARD_BYTES  64

static int years = 40;

static struct dso_mutex *mutex;
static struct dso_condition *wake_up;
static struct dso_memory *board;
static struct dso_barrier *hitch, *unhitch, *enter, *leave;
static struct dso_semaphore *anteroom; /* of the elves who are the next group */
static struct dso_future *report;

struct report {
	uint64_t deliveries;
	uint64_t advices;
};

/* Opens everything: whoever comes first creates it. */
static void come_in(void)
{
	struct dso_barrier_params all_reindeer = {.parties = REINDEER + 1};
	struct dso_barrier_params all_elves = {.parties = GROUP + 1};

	srand((unsigned)(getpid() + time(NULL)));
	must(dso_open(NULL, NULL, &session));
	must(dso_mutex_open(session, name("mutex"), NULL, &mutex));
	must(dso_condition_open(session, name("wake_up"), NULL, &wake_up));
	must(dso_memory_open(session, name("board"),
			     &(struct dso_memory_params){.size_bytes = BOARD_BYTES}, &board));
	must(dso_barrier_open(session, name("hitch"), &all_reindeer, &hitch));
	must(dso_barrier_open(session, name("unhitch"), &all_reindeer, &unhitch));
	must(dso_barrier_open(session, name("enter"), &all_elves, &enter));
	must(dso_barrier_open(session, name("leave"), &all_elves, &leave));
	must(dso_semaphore_open(session, name("anteroom"),
				&(struct dso_semaphore_params){.permits = GROUP}, &anteroom));
	must(dso_future_open(session, name("report"), NULL, &report));
}

static void clear_up(void)
{
	static const char *const things[] = {"mutex", "wake_up", "board",    "hitch", "unhitch",
					     "enter", "leave",   "anteroom", "report"};

	for (size_t i = 0; i < sizeof things / sizeof *things; i++)
		must(dso_object_delete(session, name(things[i])));
	dso_close(session);
}

static uint64_t add(uint64_t offset, uint64_t delta)
{
	uint64_t before;

	must(dso_memory_fetch_add(board, offset, delta, &before));
	return before;
}

static uint64_t get(uint64_t offset)
{
	return add(offset, 0);
}

static void set(uint64_t offset, uint64_t value)
{
	add(offset, value - get(offset));
}

static void lock(void)
{
	must(dso_mutex_lock(mutex, WAIT_TIMEOUT, NULL));
}

static void unlock(void)
{
	must(dso_mutex_unlock(mutex));
}

/* ---- who they are ---- */

/* Called with the mutex locked; leaves it unlocked. */
static void be_with(uint64_t whom, struct dso_barrier *begin, struct dso_barrier *end)
{
	set(WITH, whom);
	unlock();
	must(dso_barrier_wait(begin, WAIT_TIMEOUT, NULL));
	nap(1000);
	must(dso_barrier_wait(end, WAIT_TIMEOUT, NULL));
	set(WITH, 0);
}

static void be_santa(void)
{
	struct report done = {0};

	must(dso_future_promise(report));
	for (;;) {
		lock();
		if (done.deliveries == (uint64_t)years)
			set(CLOSED, 1);
		while (get(BACK) < REINDEER && get(AT_DOOR) < GROUP && !get(CLOSED))
			must(dso_condition_wait(wake_up, mutex, WAIT_TIMEOUT));
		if (get(BACK) == REINDEER) {
			check(get(ADVICES) == get(ADVICES_THEN), "elves went before the reindeer");
			set(BACK, 0);
			be_with(REINDEER, hitch, unhitch);
			check(get(HITCHED) == ++done.deliveries * REINDEER,
			      "not nine reindeer were hitched");
		} else if (get(AT_DOOR) == GROUP) {
			set(AT_DOOR, 0);
			set(ADVICES, ++done.advices);
			be_with(GROUP, enter, leave);
			check(get(ADVISED) == done.advices * GROUP, "not three elves were advised");
		} else {
			break;
		}
	}
	unlock();
	check(dso_barrier_wait(enter, DSO_NOWAIT, NULL) == -ETIMEDOUT,
	      "a whole group is left at the door");
	must(dso_future_set(report, &done, sizeof done));
}

static void be_reindeer(void)
{
	for (int i = 0; i < years; i++) {
		nap(20000); /* on holiday */
		lock();
		if (add(BACK, 1) == REINDEER - 1) {
			set(ADVICES_THEN, get(ADVICES));
			must(dso_condition_signal(wake_up));
		}
		unlock();
		must(dso_barrier_wait(hitch, WAIT_TIMEOUT, NULL));
		check(get(WITH) == REINDEER, "Santa is not with the reindeer");
		add(HITCHED, 1);
		must(dso_barrier_wait(unhitch, WAIT_TIMEOUT, NULL));
	}
}

/* Returns whether he may come again. */
static bool ask_santa(void)
{
	int r;

	lock();
	if (get(CLOSED)) {
		unlock();
		return false;
	}
	if (add(AT_DOOR, 1) == GROUP - 1)
		must(dso_condition_signal(wake_up));
	unlock();
	r = dso_barrier_wait(enter, WAIT_TIMEOUT, NULL);
	if (r == -ENOTRECOVERABLE && get(CLOSED))
		return false;
	must(r);
	check(get(WITH) == GROUP, "Santa is not with the elves");
	add(ADVISED, 1);
	must(dso_barrier_wait(leave, WAIT_TIMEOUT, NULL));
	return true;
}

static void be_elf(void)
{
	bool again = true;

	while (again) {
		nap(10000); /* makes toys */
		must(dso_semaphore_acquire(anteroom, 1, WAIT_TIMEOUT));
		again = ask_santa();
		must(dso_semaphore_release(anteroom, 1));
	}
}

int main(int argc, char **argv)
{
	pid_t pids[PROCESSES];
	struct report done;
	bool good = true;

	if (argc > 1)
		years = atoi(argv[1]);
	if (years < 1 || argc > 2) {
		fprintf(stderr, "usage: santa [YEARS]\n");
		return 2;
	}
	begin_run("santa");

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			come_in();
			if (i == 0)
				be_santa();
			else if (i <= REINDEER)
				be_reindeer();
			else
				be_elf();
			dso_close(session);
			return 0;
		}
	}
	come_in();
	for (int i = 0; i < PROCESSES; i++) {
		int status = 1;

		waitpid(pids[i], &status, 0);
		good &= status == 0;
	}
	check(good, "a process did not do its part");
	/* It is there still, though the process that set it is not. */
	must(dso_future_get(report, &done, sizeof done, DSO_NOWAIT, NULL));
	check(done.deliveries == (uint64_t)years, "there was a year without Christmas");
	printf("santa: over %s, %llu deliveries with %d reindeer each, %llu advices to %d elves "
	       "each\n",
	       dso_transport(session), (unsigned long long)done.deliveries, REINDEER,
	       (unsigned long long)done.advices, GROUP);
	clear_up();
	return 0;
}
