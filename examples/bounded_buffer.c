/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bounded_buffer - producers and consumers, each a process, with a ring in memory, a mutex and two
 * conditions.
 *
 *   bounded_buffer [--kill] [ITEMS]
 *
 * Each producer puts ITEMS. With --kill one process is killed inside: whoever gets the mutex next,
 * with -EOWNERDEAD, ends what the dead one had begun, and wakes everybody, as a signal may have
 * died with him.
 */
#include "example.h"

#include <errno.h>
#include <string.h>

#define PRODUCERS 3
#define CONSUMERS 3
#define PROCESSES (PRODUCERS + CONSUMERS)
#define SLOTS     8
#define STAGES    3         /* of a put and of a get, where --kill may strike */
#define END       PRODUCERS /* the producer of items that send a consumer home */
#define HOST      PROCESSES /* who puts those, and is never the victim */

/* The ring. An item is in it from when PUT counts it until GOT does. */
#define GOT            0
#define PUT            8
#define NEXT(producer) (16 + 8 * (uint64_t)(producer)) /* which of his items is to come out */
#define INHERITED      NEXT(PRODUCERS + 1)
#define SLOT(number)   (INHERITED + 8 + 8 * ((number) % SLOTS))
#define RING_BYTES     (SLOT(SLOTS - 1) + 8)

static int items = 150;
static struct {
	int who; /* -1: nobody; the consumers come after the producers */
	int item;
	int stage;
} victim = {.who = -1};

static struct dso_mutex *mutex;
static struct dso_condition *not_full, *not_empty;
static struct dso_memory *ring;

/* Opens everything: whoever comes first creates it. */
static void come_in(void)
{
	srand((unsigned)(getpid() + time(NULL)));
	must(dso_open(NULL, NULL, &session));
	must(dso_mutex_open(session, name("mutex"), NULL, &mutex));
	must(dso_condition_open(session, name("not_full"), NULL, &not_full));
	must(dso_condition_open(session, name("not_empty"), NULL, &not_empty));
	must(dso_memory_open(session, name("ring"),
			     &(struct dso_memory_params){.size_bytes = RING_BYTES}, &ring));
}

static void clear_up(void)
{
	must(dso_object_delete(session, name("mutex")));
	must(dso_object_delete(session, name("not_full")));
	must(dso_object_delete(session, name("not_empty")));
	must(dso_object_delete(session, name("ring")));
	dso_close(session);
}

/* ---- the ring, of which all is done under the mutex ---- */

static uint64_t add(uint64_t offset, uint64_t delta)
{
	uint64_t before;

	must(dso_memory_fetch_add(ring, offset, delta, &before));
	return before;
}

static uint64_t get(uint64_t offset)
{
	return add(offset, 0);
}

struct item {
	uint32_t producer;
	uint32_t number;
};

static struct item first_item(void)
{
	struct item item;

	must(dso_memory_read(ring, SLOT(get(GOT)), &item, sizeof item));
	check(item.producer <= END, "there is something in the ring that nobody put there");
	return item;
}

/* The one thing that may be half done: an item that its NEXT has counted and GOT has not. */
static int make_good(void)
{
	if (get(GOT) != get(PUT)) {
		struct item item = first_item();

		if (item.number < get(NEXT(item.producer)))
			add(GOT, 1);
	}
	add(INHERITED, 1);
	must(dso_condition_broadcast(not_full));
	must(dso_condition_broadcast(not_empty));
	return dso_mutex_consistent(mutex);
}

static void lock(void)
{
	int r = dso_mutex_lock(mutex, WAIT_TIMEOUT, NULL);

	must(r == -EOWNERDEAD ? make_good() : r);
}

static void wait_for(struct dso_condition *condition)
{
	int r = dso_condition_wait(condition, mutex, WAIT_TIMEOUT);

	must(r == -EOWNERDEAD ? make_good() : r);
}

static void die_here(int me, int item, int stage)
{
	if (victim.who == me && victim.item == item && victim.stage == stage)
		raise(SIGKILL);
}

static void put(int me, uint32_t producer, uint32_t number)
{
	struct item item = {.producer = producer, .number = number};

	lock();
	while (get(PUT) - get(GOT) == SLOTS)
		wait_for(not_full);
	die_here(me, (int)number, 0);
	must(dso_memory_write(ring, SLOT(get(PUT)), &item, sizeof item));
	die_here(me, (int)number, 1);
	add(PUT, 1);
	die_here(me, (int)number, 2);
	must(dso_condition_signal(not_empty));
	must(dso_mutex_unlock(mutex));
}

/* Returns whether there is more to come. */
static bool take(int me, int count)
{
	struct item item;

	lock();
	while (get(PUT) == get(GOT))
		wait_for(not_empty);
	check(get(PUT) - get(GOT) <= SLOTS, "there is more in the ring than it has slots");
	item = first_item();
	if (item.producer == END)
		count = victim.item; /* the last chance to die */
	die_here(me, count, 0);
	check(add(NEXT(item.producer), 1) == item.number, "an item was lost or doubled");
	die_here(me, count, 1);
	add(GOT, 1);
	die_here(me, count, 2);
	must(dso_condition_signal(not_full));
	must(dso_mutex_unlock(mutex));
	return item.producer != END;
}

/* ---- the processes ---- */

static void work(int me)
{
	int count = 0;

	come_in();
	if (me < PRODUCERS) {
		for (; count < items; count++) {
			usleep((useconds_t)(rand() % 2000));
			put(me, (uint32_t)me, (uint32_t)count);
		}
	} else {
		while (take(me, count++))
			usleep((useconds_t)(rand() % 2000));
	}
	dso_close(session);
}

static bool ended_as_meant(int who, pid_t pid)
{
	return who == victim.who ? was_killed(pid) : ended_well(pid);
}

static void look_over_the_ring(void)
{
	uint64_t taken;

	lock();
	taken = get(NEXT(END));
	for (int i = 0; i < PRODUCERS; i++) {
		uint64_t of_this_one = get(NEXT(i));

		taken += of_this_one;
		check(of_this_one == (uint64_t)(i == victim.who ? victim.item + (victim.stage == 2)
								: items),
		      "not all that was put was taken");
	}
	check(get(GOT) == taken, "something that was taken is not out");
	check(get(PUT) - taken <= (victim.who >= PRODUCERS), "a living consumer was not sent home");
	check(get(INHERITED) == (victim.who >= 0), "not just one was told of the dead");
	must(dso_mutex_unlock(mutex));
}

int main(int argc, char **argv)
{
	pid_t pids[PROCESSES];
	bool good = true;

	srand((unsigned)(getpid() + time(NULL)));
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--kill"))
			victim.who = rand() % PROCESSES;
		else
			items = atoi(argv[i]);
	}
	if (items < 1) {
		fprintf(stderr, "usage: bounded_buffer [--kill] [ITEMS]\n");
		return 2;
	}
	victim.item = rand() % items;
	victim.stage = rand() % STAGES;
	begin_run("bounded_buffer");

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			work(i);
			return 0;
		}
	}
	come_in();
	for (int i = 0; i < PRODUCERS; i++)
		good &= ended_as_meant(i, pids[i]);
	for (int i = 0; i < CONSUMERS; i++)
		put(HOST, END, (uint32_t)i);
	for (int i = PRODUCERS; i < PROCESSES; i++)
		good &= ended_as_meant(i, pids[i]);
	check(good, "a process did not do its part");
	look_over_the_ring();
	printf("bounded_buffer: over %s, %d items through %d slots, none lost or doubled",
	       dso_transport(session), (int)get(GOT) - (int)get(NEXT(END)), SLOTS);
	if (victim.who >= 0)
		printf("; a %s was killed at stage %d of %d",
		       victim.who < PRODUCERS ? "producer" : "consumer", victim.stage, STAGES);
	printf("\n");
	clear_up();
	return 0;
}
