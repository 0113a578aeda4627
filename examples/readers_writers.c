/* SPDX-License-Identifier: Apache-2.0 */
/*
 * readers_writers - readers and writers of a text, each a process, with a rwlock.
 *
 *   readers_writers [ROUNDS]
 *
 * The text is many words that all hold the number of the edition: one that was read while it was
 * written would show. The first edition is written by whoever is first, by a once.
 */
#include "example.h"

#define READERS 4
#define WRITERS 2

/* The memory: who is in, and what is read and written. */
#define READING      0
#define WRITING      64
#define TEXT         128
#define TEXT_WORDS   128
#define TEXT_BYTES   (TEXT_WORDS * sizeof(uint64_t))
#define MEMORY_BYTES (TEXT + TEXT_BYTES)

static int rounds = 200;

static struct dso_rwlock *lock;
static struct dso_once *first;
static struct dso_memory *memory;
static struct dso_counter *beside; /* how often a reader was not alone */

/* ---- the text ---- */

static void print_edition(uint64_t edition)
{
	uint64_t text[TEXT_WORDS];

	for (int i = 0; i < TEXT_WORDS; i++)
		text[i] = edition;
	must(dso_memory_write(memory, TEXT, text, sizeof text));
}

static uint64_t read_edition(void)
{
	uint64_t text[TEXT_WORDS];

	must(dso_memory_read(memory, TEXT, text, sizeof text));
	for (int i = 1; i < TEXT_WORDS; i++)
		check(text[i] == text[0], "a text is of two editions");
	return text[0];
}

/* Opens everything: whoever comes first creates it. */
static void come_in(void)
{
	int mine;

	srand((unsigned)(getpid() + time(NULL)));
	must(dso_open(NULL, NULL, &session));
	must(dso_rwlock_open(session, name("lock"), &(struct dso_rwlock_params){.readers = READERS},
			     &lock));
	must(dso_once_open(session, name("first"), NULL, &first));
	must(dso_memory_open(session, name("memory"),
			     &(struct dso_memory_params){.size_bytes = MEMORY_BYTES}, &memory));
	must(dso_counter_open(session, name("beside"), NULL, &beside));

	must(dso_once_begin(first, WAIT_TIMEOUT, &mine));
	if (mine) {
		print_edition(1);
		must(dso_once_done(first));
	}
}

static void clear_up(void)
{
	must(dso_object_delete(session, name("lock")));
	must(dso_object_delete(session, name("first")));
	must(dso_object_delete(session, name("memory")));
	must(dso_object_delete(session, name("beside")));
	dso_close(session);
}

/* ---- who reads and writes it ---- */

static uint64_t add(uint64_t offset, int64_t delta)
{
	uint64_t before;

	must(dso_memory_fetch_add(memory, offset, (uint64_t)delta, &before));
	return before;
}

static void read_once(uint64_t *seen)
{
	uint64_t edition;

	must(dso_rwlock_rdlock(lock, WAIT_TIMEOUT));
	if (add(READING, 1) > 0)
		must(dso_counter_add(beside, 1, NULL));
	check(add(WRITING, 0) == 0, "a writer is beside a reader");
	edition = read_edition();
	nap(500);
	check(read_edition() == edition, "a text changed while it was read");
	check(edition >= *seen, "an old edition came back");
	*seen = edition;
	add(READING, -1);
	must(dso_rwlock_unlock(lock));
}

static void write_once(void)
{
	must(dso_rwlock_wrlock(lock, WAIT_TIMEOUT));
	check(add(WRITING, 1) == 0, "a writer is beside a writer");
	check(add(READING, 0) == 0, "a reader is beside a writer");
	print_edition(read_edition() + 1);
	nap(500);
	check(add(READING, 0) == 0, "a reader came to a writer");
	add(WRITING, -1);
	must(dso_rwlock_unlock(lock));
}

static void work(bool writes)
{
	uint64_t seen = 0;

	come_in();
	for (int round = 0; round < rounds; round++) {
		if (writes)
			write_once();
		else
			read_once(&seen);
		nap(1000);
	}
	dso_close(session);
}

int main(int argc, char **argv)
{
	pid_t pids[READERS + WRITERS];
	int64_t together;
	bool good = true;

	if (argc > 1)
		rounds = atoi(argv[1]);
	if (rounds < 1 || argc > 2) {
		fprintf(stderr, "usage: readers_writers [ROUNDS]\n");
		return 2;
	}
	begin_run("readers_writers");

	for (int i = 0; i < READERS + WRITERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			work(i < WRITERS);
			return 0;
		}
	}
	come_in();
	for (int i = 0; i < READERS + WRITERS; i++) {
		int status = 1;

		waitpid(pids[i], &status, 0);
		good &= status == 0;
	}
	check(good, "a process did not do its part");
	check(read_edition() == 1 + (uint64_t)(WRITERS * rounds), "an edition was lost");
	must(dso_counter_get(beside, &together));
	printf("readers_writers: over %s, %d readings, %lld of them beside others, of %d editions, "
	       "none while it was written\n",
	       dso_transport(session), READERS * rounds, (long long)together, 1 + WRITERS * rounds);
	clear_up();
	return 0;
}
