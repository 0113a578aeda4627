/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/queue.h"
#include "perf/clock.h"
#include "perf/rows.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY     4096 /* of short items: both ends have room for STREAM_MANY_MAX */
#define QUEUE_BYTES  (UINT64_C(64) << 20) /* of long ones */
#define IN_A_ROW     256 /* items that are pushed one after the other, and then popped */
#define TURNS        16  /* of one end at a time, in a round */
#define BLOCKED      20  /* items that a parked consumer waits for, in a round */
#define QUEUE_MANY   32
#define STREAMS      4
#define PARKED_NS    (2 * DSO_MILLISECOND) /* long after a waiter stops spinning */
#define CONTEST_NS   (200 * DSO_MILLISECOND)
#define HANG_TIMEOUT (60 * DSO_SECOND)
#define ENDS_MAX     1024
#define ORDER_ERROR  "an item came out of its producer's order, twice or broken"

/* A row of the report. */
enum queue_row {
	QUEUE_FAA,       /* a fetch-and-add, to compare with */
	QUEUE_PUSH,      /* one item, into a queue that others do not use */
	QUEUE_POP,       /* one item, which is there */
	QUEUE_PUSH_MANY, /* an item of QUEUE_MANY that are pushed at once */
	QUEUE_POP_MANY,  /* an item of QUEUE_MANY that are popped at once */
	QUEUE_BLOCKED,   /* from the push of an item until a consumer has it that was parked */
	/* one producer and one consumer, so many items at once as stream_many says */
	QUEUE_STREAM,
	/* half of --sessions at each end, one item at a time */
	QUEUE_ALL = QUEUE_STREAM + STREAMS,
	/* one producer, and consumers that wait for each item: 1, 2, 4, 8, 16 */
	QUEUE_WAITING,
	QUEUE_ROWS = QUEUE_WAITING + 5
};

#define CONSUMERS_MAX   16 /* that wait */
#define STREAM_MANY_MAX 1024

static const unsigned stream_many[STREAMS] = {QUEUE_MANY, 128, 512, STREAM_MANY_MAX};

static const struct row rows[] = {
	[QUEUE_FAA] = {"faa", "faa", QUEUE_FAA, 1, false},
	[QUEUE_PUSH] = {"push", "push", QUEUE_FAA, 1, true},
	[QUEUE_POP] = {"pop", "pop", QUEUE_FAA, 1, true},
	[QUEUE_PUSH_MANY] = {"push-many", "push, an item of 32", QUEUE_FAA, 1, true},
	[QUEUE_POP_MANY] = {"pop-many", "pop, an item of 32", QUEUE_FAA, 1, true},
	[QUEUE_BLOCKED] = {"pop-blocked", "push to a parked pop", QUEUE_BLOCKED, 2, true},
	[QUEUE_STREAM] = {"stream", "1 to 1, 32 at once", QUEUE_STREAM, 2, true},
	[QUEUE_STREAM + 1] = {"stream-128", "1 to 1, 128 at once", QUEUE_STREAM + 1, 2, true},
	[QUEUE_STREAM + 2] = {"stream-512", "1 to 1, 512 at once", QUEUE_STREAM + 2, 2, true},
	[QUEUE_STREAM + 3] = {"stream-1024", "1 to 1, 1024 at once", QUEUE_STREAM + 3, 2, true},
	[QUEUE_ALL] = {"push-pop", "half to half, one at a time", QUEUE_ALL, 0, true},
#define WAITING(i, consumers)                                                          \
	[QUEUE_WAITING + (i)] = {"pop-blocking", "1 to " #consumers ", one at a time", \
				 QUEUE_WAITING + (i), 1 + (consumers), true}
	WAITING(0, 1),
	WAITING(1, 2),
	WAITING(2, 4),
	WAITING(3, 8),
	WAITING(4, 16),
#undef WAITING
};

/* An item begins with this; the rest are bytes of the number. */
struct head {
	uint32_t producer, number;
};

/* One who pushes or pops, with a session. */
struct end {
	pthread_t thread;
	struct worker worker;
	struct dso_queue *queue;
	struct contest *contest;
	uint32_t number; /* of the producer */
	uint32_t pushed; /* items, ever */
	uint64_t popped; /* in one contest, */
	int64_t last_ns; /* the last of them then */
	uint32_t *next;  /* of a consumer: the least number of each producer that may come */
	uint8_t *bytes;  /* STREAM_MANY_MAX items */
	struct dso_queue_item items[STREAM_MANY_MAX];
	int error;
};

/* Producers and consumers for a while. */
struct contest {
	int64_t until_ns;
	unsigned many;              /* items at once */
	_Atomic unsigned producers; /* that push yet */
	_Atomic bool drained;
};

/* ---- items ---- */

static uint32_t size_of(const struct end *end)
{
	uint64_t size = end->worker.settings->item_bytes;

	return size < sizeof(struct head) ? sizeof(struct head) : (uint32_t)size;
}

static void make_item(struct end *end, unsigned i)
{
	struct head head = {end->number, end->pushed++};
	uint8_t *bytes = end->items[i].bytes;

	memcpy(bytes, &head, sizeof head);
	memset(bytes + sizeof head, (int)(head.number & 0xff), size_of(end) - sizeof head);
	end->items[i].length_bytes = size_of(end);
}

static int check_item(struct end *end, const struct dso_queue_item *item)
{
	const uint8_t *bytes = item->bytes;
	struct head head;

	memcpy(&head, bytes, sizeof head);
	if (item->length_bytes != size_of(end) || head.producer >= ENDS_MAX ||
	    head.number < end->next[head.producer] ||
	    (item->length_bytes > sizeof head &&
	     bytes[item->length_bytes - 1] != (uint8_t)head.number))
		return worker_wrong(&end->worker, ORDER_ERROR);
	end->next[head.producer] = head.number + 1;
	return 0;
}

static int push(struct end *end, unsigned count)
{
	int r;

	for (unsigned i = 0; i < count; i++)
		make_item(end, i);
	r = dso_queue_push_many(end->queue, end->items, count, HANG_TIMEOUT, NULL);
	return r ? worker_fail(&end->worker, r) : 0;
}

/* Pops up to @count; *ret_count may be NULL where it is 1. */
static int pop(struct end *end, unsigned count, int64_t timeout, size_t *ret_count)
{
	size_t popped;
	int r = dso_queue_pop_many(end->queue, end->items, count, timeout, &popped);

	for (size_t i = 0; r == 0 && i < popped; i++)
		r = check_item(end, &end->items[i]);
	if (r == 0 && ret_count)
		*ret_count = popped;
	return r;
}

static int end_open(struct end *end, struct run *run, const char *name)
{
	struct dso_queue_params params = {0};
	int r = worker_open(&end->worker, &run->settings, run->url, run->object, run->patterns, 0);

	if (r)
		return r;
	params.item_bytes = size_of(end);
	params.capacity = QUEUE_BYTES / size_of(end) < CAPACITY
				  ? (uint32_t)(QUEUE_BYTES / size_of(end))
				  : CAPACITY;
	end->next = calloc(ENDS_MAX, sizeof *end->next);
	end->bytes = malloc((size_t)size_of(end) * STREAM_MANY_MAX);
	if (!end->next || !end->bytes)
		return worker_wrong(&end->worker, "out of memory");
	for (unsigned i = 0; i < STREAM_MANY_MAX; i++)
		end->items[i] = (struct dso_queue_item){
			.bytes = end->bytes + (size_t)i * size_of(end), .bytes_max = size_of(end)};
	r = dso_queue_open(end->worker.session, name, &params, &end->queue);
	return r ? worker_fail(&end->worker, r) : 0;
}

static void end_close(struct end *end)
{
	dso_queue_close(end->queue);
	worker_close(&end->worker);
	free(end->next);
	free(end->bytes);
}

/* ---- one end at a time ---- */

static void add(struct figures *figures, enum queue_row row, int64_t begin_ns, unsigned count)
{
	histogram_add(&figures->latencies[row], (uint64_t)(clock_ns() - begin_ns) * 1000 / count);
}

/* IN_A_ROW items in and out again, @many at once. */
static int in_and_out(struct end *end, unsigned many, struct figures *figures,
		      enum queue_row pushes, enum queue_row pops)
{
	int64_t begin_ns = clock_ns();
	unsigned left = IN_A_ROW;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < IN_A_ROW; i += many)
		r = push(end, many);
	add(figures, pushes, begin_ns, IN_A_ROW);
	begin_ns = clock_ns();
	while (r == 0 && left) {
		size_t count = 0;

		r = pop(end, many < left ? many : left, DSO_NOWAIT, &count);
		left -= (unsigned)count;
	}
	add(figures, pops, begin_ns, IN_A_ROW);
	return r && !*end->worker.error ? worker_fail(&end->worker, r) : r;
}

static int fetch_and_add(struct end *end, struct figures *figures)
{
	int64_t begin_ns = clock_ns();
	int r = 0;

	for (unsigned i = 0; r == 0 && i < IN_A_ROW; i++)
		r = dso_memory_fetch_add(end->worker.memory, 0, 1, NULL);
	add(figures, QUEUE_FAA, begin_ns, IN_A_ROW);
	return r ? worker_fail(&end->worker, r) : 0;
}

static int alone(struct end *end, struct figures *figures)
{
	int r = fetch_and_add(end, figures);

	if (r == 0)
		r = in_and_out(end, 1, figures, QUEUE_PUSH, QUEUE_POP);
	if (r == 0)
		r = in_and_out(end, QUEUE_MANY, figures, QUEUE_PUSH_MANY, QUEUE_POP_MANY);
	return r;
}

/* ---- to one who waits ---- */

struct blocked {
	struct end *end;
	sem_t go, done;
	int64_t got_ns;
	bool over;
};

static void *blocked_main(void *argument)
{
	struct blocked *blocked = argument;

	for (;;) {
		while (sem_wait(&blocked->go))
			;
		if (blocked->over)
			return NULL;
		blocked->end->error = pop(blocked->end, 1, HANG_TIMEOUT, NULL);
		blocked->got_ns = clock_ns();
		sem_post(&blocked->done);
	}
}

static int hand_over(struct end *producer, struct blocked *blocked, struct figures *figures)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < BLOCKED && !stopped(); i++) {
		int64_t begin_ns;

		sem_post(&blocked->go);
		nanosleep(&(struct timespec){.tv_nsec = PARKED_NS}, NULL);
		begin_ns = clock_ns();
		r = push(producer, 1);
		while (sem_wait(&blocked->done))
			;
		histogram_add(&figures->latencies[QUEUE_BLOCKED],
			      (uint64_t)(blocked->got_ns - begin_ns) * 1000);
		if (r == 0 && blocked->end->error)
			r = worker_wrong(&producer->worker, "%s", blocked->end->worker.error);
	}
	return r;
}

/* ---- many at both ends ---- */

static void *produce(void *argument)
{
	struct end *end = argument;
	unsigned many = end->contest->many;

	while (end->error == 0 && clock_ns() < end->contest->until_ns && !stopped())
		end->error = push(end, many);
	atomic_fetch_sub(&end->contest->producers, 1);
	return NULL;
}

static void *consume(void *argument)
{
	struct end *end = argument;
	unsigned many = end->contest->many;

	while (end->error == 0) {
		/* Seen before the queue is: what is pushed behind it is not there. */
		bool last = atomic_load(&end->contest->producers) == 0;
		size_t count = 0;
		int r = pop(end, many, last ? DSO_NOWAIT : 50 * DSO_MILLISECOND, &count);

		if (r == -ETIMEDOUT && last)
			break;
		if (r && r != -ETIMEDOUT)
			end->error = *end->worker.error ? r : worker_fail(&end->worker, r);
		end->popped += count;
		if (count)
			end->last_ns = clock_ns();
	}
	return NULL;
}

static int contest(struct end *ends, unsigned producers, unsigned consumers, unsigned many,
		   struct figures *figures, enum queue_row row)
{
	int64_t begin_ns = clock_ns(), last_ns = begin_ns;
	struct contest contest = {.until_ns = begin_ns + CONTEST_NS, .many = many};
	uint64_t pushed = 0, popped = 0;
	unsigned count = producers + consumers;
	int r = 0;

	atomic_store(&contest.producers, producers);
	for (unsigned i = 0; i < count; i++) {
		ends[i].contest = &contest;
		ends[i].popped = 0;
		ends[i].last_ns = begin_ns;
		pushed -= ends[i].pushed;
		if (pthread_create(&ends[i].thread, NULL, i < producers ? produce : consume,
				   &ends[i])) {
			fprintf(stderr, "dso-perf: cannot start %u threads\n", count);
			exit(EXIT_FAILURE); /* those that were started wait for the others */
		}
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(ends[i].thread, NULL);
		if (ends[i].error && r == 0)
			r = worker_wrong(&ends[0].worker, "%s", ends[i].worker.error);
		pushed += ends[i].pushed;
		popped += ends[i].popped;
		last_ns = ends[i].last_ns > last_ns ? ends[i].last_ns : last_ns;
	}
	figures->done[row] += popped;
	figures->took_ns[row] += last_ns - begin_ns;
	return r == 0 && pushed != popped
		       ? worker_wrong(&ends[0].worker, "%ju items went in and %ju came out",
				      (uintmax_t)pushed, (uintmax_t)popped)
		       : r;
}

/* ---- all of it, in rounds ---- */

static int rounds(struct run *run, struct end *ends, struct blocked *blocked,
		  struct figures *figures)
{
	unsigned half = (unsigned)run->settings.sessions / 2;
	int64_t begin_ns = clock_ns();
	int r;

	do {
		r = 0;
		for (unsigned i = 0; r == 0 && i < TURNS && !stopped(); i++)
			r = alone(ends, figures);
		if (r == 0)
			r = hand_over(ends, blocked, figures);
		for (unsigned i = 0; r == 0 && i < STREAMS; i++)
			r = contest(ends, 1, 1, stream_many[i], figures, QUEUE_STREAM + i);
		if (r == 0)
			r = contest(ends, half, half, 1, figures, QUEUE_ALL);
		for (unsigned i = 0; r == 0 && 1u << i <= CONSUMERS_MAX; i++)
			r = contest(ends, 1, 1u << i, 1, figures, QUEUE_WAITING + i);
		report_progress(begin_ns, run->settings.duration_ns);
	} while (r == 0 && !stopped() && clock_ns() - begin_ns < run->settings.duration_ns);
	return r;
}

int measure_queue(struct run *run, struct worker *worker)
{
	static struct figures figures;
	unsigned half = (unsigned)run->settings.sessions / 2, opened = 0;
	unsigned count = half > CONSUMERS_MAX / 2 ? 2 * half : 1 + CONSUMERS_MAX;
	struct end *ends = calloc(count, sizeof *ends);
	struct blocked blocked = {.end = ends + 1};
	pthread_t thread;
	char name[80];
	int r = 0;

	if (!ends)
		return worker_wrong(worker, "out of memory");
	snprintf(name, sizeof name, "%s.queue", run->object);
	sem_init(&blocked.go, 0, 0);
	sem_init(&blocked.done, 0, 0);
	while (r == 0 && opened < count) {
		ends[opened].number = opened;
		r = end_open(&ends[opened++], run, name);
	}
	if (r == 0 && pthread_create(&thread, NULL, blocked_main, &blocked))
		r = worker_wrong(&ends[opened - 1].worker, "cannot start a thread");
	if (r == 0) {
		r = rounds(run, ends, &blocked, &figures);
		run->figures = &figures;
		blocked.over = true;
		sem_post(&blocked.go);
		pthread_join(thread, NULL);
	}
	for (unsigned i = 0; i < opened; i++) {
		if (*ends[i].worker.error && !*worker->error)
			worker_wrong(worker, "%s", ends[i].worker.error);
		end_close(&ends[i]);
	}
	free(ends);
	dso_object_delete(worker->session, name);
	return r;
}

void report_queue(const struct run *run, uint64_t errors)
{
	report_rows(run, "queue", rows, QUEUE_ROWS, "every item once and in order", errors);
}
