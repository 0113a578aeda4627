/* SPDX-License-Identifier: Apache-2.0 */
#include "santa.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void santa_take(int argc, char **argv, struct santa *job, struct view *view)
{
	*job = (struct santa){.years = 40, .seed = 1};
	const struct setting rows[] = {
		{"--years", "years", &job->years, NULL, 1, 100000},
		{"--seed", "how long they are away is drawn from", &job->seed, NULL, 0, UINT64_MAX},
		{0},
	};

	settings_take(argc, argv, "Santa Claus, nine reindeer and ten elves meet.", rows, view);
	name_run(job->run, "santa");
}

static void check(bool holds, const char *otherwise)
{
	if (!holds)
		give_up("WRONG: %s", otherwise);
}

static uint64_t get(enum notice notice)
{
	return add(notice, 0);
}

static void set(enum notice notice, uint64_t value)
{
	add(notice, value - get(notice));
}

/* Each being draws its own naps. */
static void nap(const struct santa_task *task, uint64_t number, uint64_t us_max)
{
	usleep((useconds_t)(draw(task->job.seed * BEINGS + task->being, number) % us_max));
}

/* ---- who they are ---- */

/* With the lock, which is given back. */
static void be_with(const struct santa_task *task, uint64_t whom, enum gate begin, enum gate end)
{
	set(WITH, whom);
	unlock();
	check(meet(begin), "a gate was closed before Santa came");
	nap(task, get(ADVICES), 1000);
	check(meet(end), "a gate was closed before Santa left");
	set(WITH, 0);
}

static struct report be_santa(const struct santa_task *task)
{
	struct report done = {0};

	for (;;) {
		lock();
		if (done.deliveries == task->job.years)
			set(CLOSED, 1);
		while (get(BACK) < REINDEER && get(AT_DOOR) < GROUP && !get(CLOSED))
			sleep_until_woken();
		if (get(BACK) == REINDEER) {
			check(get(ADVICES) == get(ADVICES_THEN), "elves went before the reindeer");
			set(BACK, 0);
			be_with(task, REINDEER, HITCH, UNHITCH);
			check(get(HITCHED) == ++done.deliveries * REINDEER,
			      "not nine reindeer were hitched");
			printf("year %llu: %llu advices so far\n",
			       (unsigned long long)done.deliveries,
			       (unsigned long long)done.advices);
			fflush(stdout);
		} else if (get(AT_DOOR) == GROUP) {
			set(AT_DOOR, 0);
			set(ADVICES, ++done.advices);
			be_with(task, GROUP, ENTER, LEAVE);
			check(get(ADVISED) == done.advices * GROUP, "not three elves were advised");
		} else {
			break;
		}
	}
	unlock();
	close_gate(ENTER);
	return done;
}

static void be_reindeer(const struct santa_task *task)
{
	for (uint64_t i = 0; i < task->job.years; i++) {
		nap(task, i, 20000); /* on holiday */
		lock();
		if (add(BACK, 1) == REINDEER - 1) {
			set(ADVICES_THEN, get(ADVICES));
			wake_santa();
		}
		unlock();
		check(meet(HITCH), "the sleigh is gone");
		check(get(WITH) == REINDEER, "Santa is not with the reindeer");
		add(HITCHED, 1);
		check(meet(UNHITCH), "the sleigh is gone");
	}
}

/* Returns whether the elf may come again. */
static bool ask_santa(void)
{
	lock();
	if (get(CLOSED)) {
		unlock();
		return false;
	}
	if (add(AT_DOOR, 1) == GROUP - 1)
		wake_santa();
	unlock();
	if (!meet(ENTER)) {
		check(get(CLOSED), "the door was closed before the end");
		return false;
	}
	check(get(WITH) == GROUP, "Santa is not with the elves");
	add(ADVISED, 1);
	check(meet(LEAVE), "the door was closed on elves");
	return true;
}

static void be_elf(const struct santa_task *task)
{
	bool again = true;

	for (uint64_t i = 0; again; i++) {
		nap(task, i, 10000); /* makes toys */
		enter_anteroom();
		again = ask_santa();
		leave_anteroom();
	}
}

struct report santa_be(const struct santa_task *task)
{
	struct report done = {0};

	if (task->being == 0)
		done = be_santa(task);
	else if (task->being <= REINDEER)
		be_reindeer(task);
	else
		be_elf(task);
	return done;
}

int santa_show(const struct santa *job, const struct report *report)
{
	check(report->deliveries == job->years, "there was a year without Christmas");
	printf("result: %llu deliveries with %d reindeer each\n",
	       (unsigned long long)report->deliveries, REINDEER);
	printf("and %llu advices to %d elves each\n", (unsigned long long)report->advices, GROUP);
	return EXIT_SUCCESS;
}
