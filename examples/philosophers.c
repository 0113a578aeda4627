/* SPDX-License-Identifier: Apache-2.0 */
/*
 * philosophers - E. W. Dijkstra's dining philosophers: each is a process, each fork a mutex.
 *
 *   philosophers [--kill] [MEALS]
 *
 * Everybody takes the fork with the lower number first, so that no circle of waiting can close.
 * With --kill one of them is killed with one fork or both in his hands: his neighbours get them
 * with -EOWNERDEAD, clear his plate, and go on.
 */
#include "example.h"

#include <errno.h>
#include <string.h>

#define PHILOSOPHERS 5

/* The table: for each of them whether he eats, and how often he has eaten. */
#define EATING(who) (64 * (uint64_t)(who))
#define EATEN(who)  (EATING(who) + 8)
#define TABLE_BYTES EATING(PHILOSOPHERS)

static int meals = 150;
static struct {
	int who; /* -1: nobody */
	int meal;
	int forks; /* in his hands by then */
} victim = {.who = -1};

static struct dso_mutex *forks[PHILOSOPHERS];
static struct dso_memory *table;
static struct dso_latch *seated;
static struct dso_counter *inherited; /* forks of the dead */

static const char *fork_name(int number)
{
	char thing[16];

	snprintf(thing, sizeof thing, "fork-%d", number);
	return name(thing);
}

/* Opens everything: whoever comes first creates it. */
static void come_in(void)
{
	must(dso_open(NULL, NULL, &session));
	for (int i = 0; i < PHILOSOPHERS; i++)
		must(dso_mutex_open(session, fork_name(i), NULL, &forks[i]));
	must(dso_memory_open(session, name("table"),
			     &(struct dso_memory_params){.size_bytes = TABLE_BYTES}, &table));
	must(dso_latch_open(session, name("seated"),
			    &(struct dso_latch_params){.count = PHILOSOPHERS}, &seated));
	must(dso_counter_open(session, name("inherited"), NULL, &inherited));
}

static void clear_up(void)
{
	for (int i = 0; i < PHILOSOPHERS; i++)
		must(dso_object_delete(session, fork_name(i)));
	must(dso_object_delete(session, name("table")));
	must(dso_object_delete(session, name("seated")));
	must(dso_object_delete(session, name("inherited")));
	dso_close(session);
}

static uint64_t add(uint64_t offset, uint64_t delta)
{
	uint64_t before;

	must(dso_memory_fetch_add(table, offset, delta, &before));
	return before;
}

/* @other: the one other philosopher who takes this fork. */
static void take(int number, int other)
{
	int r = dso_mutex_lock(forks[number], WAIT_TIMEOUT, NULL);

	if (r == -EOWNERDEAD) {
		/* By CAS: both of his neighbours may be clearing up. */
		must(dso_memory_cas(table, EATING(other), 1, 0, NULL));
		must(dso_counter_add(inherited, 1, NULL));
		r = dso_mutex_consistent(forks[number]);
	}
	must(r);
}

static void die_here(int me, int meal, int held)
{
	if (victim.who == me && victim.meal == meal && victim.forks == held) {
		nap(2000);
		raise(SIGKILL);
	}
}

static void eat(int me, int left, int right, int meal)
{
	check(add(EATING(me), 1) == 0, "somebody sits at two places");
	check(add(EATING(left), 0) + add(EATING(right), 0) == 0, "two neighbours eat");
	nap(1000);
	die_here(me, meal, 2);
	add(EATEN(me), 1);
	add(EATING(me), (uint64_t)-1);
}

/* Fork i lies between philosopher i and the one on his left. */
static void dine(int me)
{
	int right = (me + 1) % PHILOSOPHERS, left = (me + PHILOSOPHERS - 1) % PHILOSOPHERS;
	bool swap = right < me;

	srand((unsigned)(getpid() + time(NULL)));
	come_in();
	must(dso_latch_count_down(seated, 1, NULL));
	must(dso_latch_wait(seated, WAIT_TIMEOUT));
	for (int meal = 0; meal < meals; meal++) {
		nap(1000); /* thinks */
		take(swap ? right : me, swap ? right : left);
		die_here(me, meal, 1);
		take(swap ? me : right, swap ? left : right);
		eat(me, left, right, meal);
		must(dso_mutex_unlock(forks[me]));
		must(dso_mutex_unlock(forks[right]));
	}
	dso_close(session);
}

/* Every fork can be taken, and everybody had what he was to have. */
static void look_over_the_table(void)
{
	int64_t dead_forks;

	for (int i = 0; i < PHILOSOPHERS; i++) {
		take(i, victim.who);
		must(dso_mutex_unlock(forks[i]));
	}
	for (int i = 0; i < PHILOSOPHERS; i++) {
		check(add(EATEN(i), 0) == (uint64_t)(i == victim.who ? victim.meal : meals),
		      "somebody had too few meals, or too many");
		check(add(EATING(i), 0) == 0, "somebody is still eating");
	}
	must(dso_counter_get(inherited, &dead_forks));
	check(dead_forks == victim.forks, "not each fork of the dead was told of once");
}

int main(int argc, char **argv)
{
	pid_t pids[PHILOSOPHERS];
	bool good = true;

	srand((unsigned)(getpid() + time(NULL)));
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--kill"))
			victim.who = rand() % PHILOSOPHERS;
		else
			meals = atoi(argv[i]);
	}
	if (meals < 1) {
		fprintf(stderr, "usage: philosophers [--kill] [MEALS]\n");
		return 2;
	}
	if (victim.who >= 0) {
		victim.meal = rand() % meals;
		victim.forks = 1 + rand() % 2;
	}
	begin_run("philosophers");

	for (int i = 0; i < PHILOSOPHERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			dine(i);
			return 0;
		}
	}
	come_in();
	for (int i = 0; i < PHILOSOPHERS; i++)
		good &= i == victim.who ? was_killed(pids[i]) : ended_well(pids[i]);
	check(good, "a process did not do its part");
	look_over_the_table();
	printf("philosophers: over %s, %d had %d meals each, and no two neighbours at a time",
	       dso_transport(session), PHILOSOPHERS - (victim.who >= 0), meals);
	if (victim.who >= 0)
		printf("; number %d was killed at meal %d with %d of his forks", victim.who,
		       victim.meal, victim.forks);
	printf("\n");
	clear_up();
	return 0;
}
