/* SPDX-License-Identifier: Apache-2.0 */
/* Santa Claus, reindeer and elves in threads. santa.c is the same program with functions. */
#include "santa.h"
#include "thread.h"

#include <semaphore.h>
#include <stdatomic.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake_up = PTHREAD_COND_INITIALIZER;
static _Atomic uint64_t board[NOTICES];
static sem_t anteroom;

/* A barrier that can be closed. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t over;
	unsigned come, round;
	bool is_closed;
} gates[GATES];

static void open_all(void)
{
	sem_init(&anteroom, 0, GROUP);
	for (enum gate gate = 0; gate < GATES; gate++) {
		pthread_mutex_init(&gates[gate].mutex, NULL);
		pthread_cond_init(&gates[gate].over, NULL);
	}
}

uint64_t add(enum notice notice, uint64_t delta)
{
	return atomic_fetch_add(&board[notice], delta);
}

void lock(void)
{
	pthread_mutex_lock(&mutex);
}

void unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

void sleep_until_woken(void)
{
	pthread_cond_wait(&wake_up, &mutex);
}

void wake_santa(void)
{
	pthread_cond_signal(&wake_up);
}

bool meet(enum gate gate)
{
	unsigned round;
	bool is_over;

	pthread_mutex_lock(&gates[gate].mutex);
	round = gates[gate].round;
	if (++gates[gate].come == GATE_PARTIES(gate)) {
		gates[gate].come = 0;
		gates[gate].round++;
		pthread_cond_broadcast(&gates[gate].over);
	}
	while (gates[gate].round == round && !gates[gate].is_closed)
		pthread_cond_wait(&gates[gate].over, &gates[gate].mutex);
	is_over = gates[gate].round != round;
	pthread_mutex_unlock(&gates[gate].mutex);
	return is_over;
}

void close_gate(enum gate gate)
{
	pthread_mutex_lock(&gates[gate].mutex);
	gates[gate].is_closed = true;
	pthread_cond_broadcast(&gates[gate].over);
	pthread_mutex_unlock(&gates[gate].mutex);
}

void enter_anteroom(void)
{
	sem_wait(&anteroom);
}

void leave_anteroom(void)
{
	sem_post(&anteroom);
}

static void *be(void *argument)
{
	static struct report done;

	if (((struct santa_task *)argument)->being == 0)
		done = santa_be(argument);
	else
		santa_be(argument);
	return &done;
}

int main(int argc, char **argv)
{
	struct santa_task tasks[BEINGS];
	pthread_t threads[BEINGS];
	void *report[BEINGS];
	struct view view = {0};
	struct santa job;

	santa_take(argc, argv, &job, &view);
	open_all();
	for (uint64_t i = 0; i < BEINGS; i++) {
		tasks[i] = (struct santa_task){.job = job, .being = i};
		create(&threads[i], be, &tasks[i]);
	}
	for (uint64_t i = 0; i < BEINGS; i++)
		pthread_join(threads[i], &report[i]);
	print_time(&view, BEINGS);
	return santa_show(&job, report[0]);
}
