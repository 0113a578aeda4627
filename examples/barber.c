/* SPDX-License-Identifier: Apache-2.0 */
/*
 * barber - E. W. Dijkstra's sleeping barber: he and his customers are processes.
 *
 *   barber [VISITS]
 *
 * The chairs to wait on are a semaphore, whose permits belong to who sits there; the barber's own
 * chair is a mutex. Where the original uses a semaphore to tell somebody something there is a
 * condition: a permit can be given back only by who took it.
 */
#include "example.h"

#include <errno.h>

#define CUSTOMERS 8
#define CHAIRS    3

/* The shop. IN_CHAIR is 0 for nobody and changes, as CLOSED does, under its mutex. */
#define IN_CHAIR      0
#define CLOSED        8
#define WAITING       16
#define HAIRCUTS(who) (24 + 8 * (uint64_t)(who))
#define SHOP_BYTES    HAIRCUTS(CUSTOMERS)

static int visits = 120;

static struct dso_semaphore *chairs;
static struct dso_mutex *barbers_chair, *mutex;
static struct dso_condition *came, *cut;
static struct dso_memory *shop;
static struct dso_counter *served, *turned_away;

/* Opens everything: whoever comes first creates it. */
static void come_in(void)
{
	srand((unsigned)(getpid() + time(NULL)));
	must(dso_open(NULL, NULL, &session));
	must(dso_semaphore_open(session, name("chairs"),
				&(struct dso_semaphore_params){.permits = CHAIRS}, &chairs));
	must(dso_mutex_open(session, name("barbers_chair"), NULL, &barbers_chair));
	must(dso_mutex_open(session, name("mutex"), NULL, &mutex));
	must(dso_condition_open(session, name("came"), NULL, &came));
	must(dso_condition_open(session, name("cut"), NULL, &cut));
	must(dso_memory_open(session, name("shop"),
			     &(struct dso_memory_params){.size_bytes = SHOP_BYTES}, &shop));
	must(dso_counter_open(session, name("served"), NULL, &served));
	must(dso_counter_open(session, name("turned_away"), NULL, &turned_away));
}

static void clear_up(void)
{
	static const char *const things[] = {"chairs", "barbers_chair", "mutex",  "came",
					     "cut",    "shop",          "served", "turned_away"};

	for (size_t i = 0; i < sizeof things / sizeof *things; i++)
		must(dso_object_delete(session, name(things[i])));
	dso_close(session);
}

static uint64_t add(uint64_t offset, uint64_t delta)
{
	uint64_t before;

	must(dso_memory_fetch_add(shop, offset, delta, &before));
	return before;
}

static uint64_t get(uint64_t offset)
{
	return add(offset, 0);
}

/* ---- the barber ---- */

static void serve(uint64_t customer)
{
	must(dso_mutex_unlock(mutex));
	nap(600);
	must(dso_mutex_lock(mutex, WAIT_TIMEOUT, NULL));
	check(get(IN_CHAIR) == customer, "somebody left or came while hair was cut");
	add(HAIRCUTS(customer - 1), 1);
	must(dso_counter_add(served, 1, NULL));
	add(IN_CHAIR, 0 - customer);
	must(dso_condition_signal(cut));
}

static void be_barber(void)
{
	come_in();
	must(dso_mutex_lock(mutex, WAIT_TIMEOUT, NULL));
	for (;;) {
		uint64_t customer = get(IN_CHAIR);

		if (customer)
			serve(customer);
		else if (get(CLOSED))
			break;
		else
			must(dso_condition_wait(came, mutex, WAIT_TIMEOUT)); /* he sleeps */
	}
	must(dso_mutex_unlock(mutex));
	dso_close(session);
}

/* ---- his customers ---- */

/* Returns whether there was a chair. */
static bool visit(uint64_t me)
{
	int r = dso_semaphore_acquire(chairs, 1, DSO_NOWAIT);

	if (r == -ETIMEDOUT)
		return false;
	must(r);
	check(add(WAITING, 1) < CHAIRS, "somebody waits without a chair");
	must(dso_mutex_lock(barbers_chair, WAIT_TIMEOUT, NULL));
	add(WAITING, (uint64_t)-1);
	must(dso_semaphore_release(chairs, 1));

	must(dso_mutex_lock(mutex, WAIT_TIMEOUT, NULL));
	check(add(IN_CHAIR, me) == 0, "two sit in the barber's chair");
	must(dso_condition_signal(came));
	while (get(IN_CHAIR))
		must(dso_condition_wait(cut, mutex, WAIT_TIMEOUT));
	must(dso_mutex_unlock(mutex));
	must(dso_mutex_unlock(barbers_chair));
	return true;
}

static void be_customer(int who)
{
	uint64_t haircuts = 0;

	come_in();
	for (int i = 0; i < visits; i++) {
		nap(6000);
		if (visit((uint64_t)who + 1))
			haircuts++;
		else
			must(dso_counter_add(turned_away, 1, NULL));
		check(get(HAIRCUTS(who)) == haircuts, "somebody was served twice, or not at all");
	}
	dso_close(session);
}

static void close_shop(void)
{
	must(dso_mutex_lock(mutex, WAIT_TIMEOUT, NULL));
	add(CLOSED, 1);
	must(dso_condition_signal(came));
	must(dso_mutex_unlock(mutex));
}

int main(int argc, char **argv)
{
	pid_t pids[1 + CUSTOMERS];
	int64_t served_count, away_count;
	bool good = true;

	if (argc > 1)
		visits = atoi(argv[1]);
	if (visits < 1 || argc > 2) {
		fprintf(stderr, "usage: barber [VISITS]\n");
		return 2;
	}
	begin_run("barber");

	for (int i = 0; i <= CUSTOMERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			if (i == 0)
				be_barber();
			else
				be_customer(i - 1);
			return 0;
		}
	}
	come_in();
	for (int i = 1; i <= CUSTOMERS; i++)
		good &= ended_well(pids[i]);
	close_shop();
	good &= ended_well(pids[0]);
	check(good, "a process did not do its part");
	must(dso_counter_get(served, &served_count));
	must(dso_counter_get(turned_away, &away_count));
	check(served_count + away_count == CUSTOMERS * visits,
	      "a customer was neither served nor turned away");
	printf("barber: over %s, of %d visits %lld ended with a haircut and %lld at the door\n",
	       dso_transport(session), CUSTOMERS * visits, (long long)served_count,
	       (long long)away_count);
	clear_up();
	return 0;
}
