/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many processes at one mutex, some of which die or freeze at any moment: mutex_stress TRANSPORT...
 * What the mutex guards is a plain register, read and written by READ and WRITE. In the end it has
 * counted every turn exactly once, and nothing that a fenced holder wrote later is in it.
 *
 * A turn: lock, READ {value, writer}, note in the ledger that value + 1 is mine, WRITE it, note
 * that it is done, unlock. The ledger is memory that the processes share and that outlives them: so
 * it is known of each write whose it is, and whether it was done. MUTEX_STRESS_PROCESSES,
 * MUTEX_STRESS_KILLS, MUTEX_STRESS_FREEZES a transport; MUTEX_STRESS_SEED draws the moments and is
 * printed.
 */
#include <check.h>
#include <dso/dso.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/await.h"
#include "tests/daemon.h"
#include "tests/fsck.h"
#include "tests/runner.h"
#include "tests/transports.h"

#define HANG_TIMEOUT (120 * DSO_SECOND)
#define WRITERS      65536 /* of the last values */
#define PROCESS_MAX  256
#define NOTED_NS     HANG_TIMEOUT /* a death is, within it */
/* Longer than anybody waits: what ends a session then is the end of its connection. */
#define KILLS_TTL_MS (600 * 1000)

/* What a process is asked to do to itself, in its next turn. */
enum fate { LIVE, DIE_WHILE_IT_HOLDS, FREEZE_WHILE_IT_WRITES, COME_TO_AN_END };

struct ledger {
	_Atomic uint64_t done; /* the last value of which the WRITE returned */
	struct place {
		_Atomic uint32_t fate;
		_Atomic uint64_t turns;       /* that were done */
		_Atomic uint32_t incarnation; /* of who is dead or fenced: smaller than this */
		atomic_bool refused;          /* behind a freeze */
	} places[PROCESS_MAX];
	_Atomic uint32_t writers[WRITERS]; /* of a value: incarnation * PROCESS_MAX + place */
};

/* In the register: one WRITE of 16 bytes. */
struct content {
	uint64_t value, writer;
};

static struct daemon_process storage;
static int processes = 64, kills = 30, freezes = 1, ttl_ms = 4000;
static unsigned seed;
static struct ledger *ledger;
static int ledger_fd;

/* ---- a process ---- */

struct member {
	struct dso_session *session;
	struct dso_mutex *mutex;
	struct dso_memory *memory;
	struct place *place;
	uint32_t me; /* incarnation * PROCESS_MAX + place */
};

enum { OVER = 0, WRONG = 2, STRANGE = 3 };

__attribute__((format(printf, 2, 3))) static int wrong(const struct member *member,
						       const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "# %u of %u: ", member->me / PROCESS_MAX, member->me % PROCESS_MAX);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return WRONG;
}

static _Atomic uint32_t *writer_of(uint64_t value)
{
	return &ledger->writers[value % WRITERS];
}

static bool is_gone(uint32_t writer)
{
	return writer / PROCESS_MAX < ledger->places[writer % PROCESS_MAX].incarnation;
}

/* What the register has must be what was written last, or what one who is gone meant to write
 * behind that. */
static int check_content(const struct member *member, const struct content *content)
{
	uint64_t done = ledger->done;

	if (content->value && content->writer != *writer_of(content->value))
		return wrong(member, "the register has %ju of writer %ju, who did not write that",
			     (uintmax_t)content->value, (uintmax_t)content->writer);
	if (content->value == done)
		return 0;
	/* That he is gone may be known here before it is noted. */
	for (int64_t begin_ns = clock_now_ns(); clock_now_ns() - begin_ns < NOTED_NS;
	     nap(DSO_MILLISECOND))
		if (content->value == done + 1 && is_gone((uint32_t)content->writer))
			return 0;
	return wrong(member, "the register has %ju where %ju was written last",
		     (uintmax_t)content->value, (uintmax_t)done);
}

static bool is_over(int r)
{
	return r == -ESHUTDOWN || r == -ENOTCONN || r == -ECONNRESET;
}

static void freeze(int signal_number)
{
	(void)signal_number;
	raise(SIGSTOP);
}

/*
 * Write the same again and again, be frozen at any moment of that, and go on when it was fenced:
 * then others have written, and whatever of this lands shows in the register. Returns an exit
 * status.
 */
static int freeze_while_it_writes(struct member *member, const struct content *next)
{
	struct itimerval moment = {.it_value.tv_usec = 1000 + rand() % 2000};
	int64_t begin_ns = clock_now_ns();

	signal(SIGALRM, freeze);
	setitimer(ITIMER_REAL, &moment, NULL);
	while (dso_memory_write(member->memory, 0, next, sizeof *next) == 0)
		if (clock_now_ns() - begin_ns > HANG_TIMEOUT)
			return wrong(member, "a fenced one can write");
	member->place->refused = true;
	return OVER;
}

static int turn(struct member *member)
{
	enum fate fate = member->place->fate;
	struct content content, next;
	int r = dso_mutex_lock(member->mutex, HANG_TIMEOUT, NULL), s;

	if (r && r != -EOWNERDEAD)
		return is_over(r) ? OVER : wrong(member, "lock: %s", dso_error(member->session));
	if (dso_memory_read(member->memory, 0, &content, sizeof content))
		return OVER;
	s = check_content(member, &content);
	if (s)
		return s;
	if (r == -EOWNERDEAD && dso_mutex_consistent(member->mutex))
		return OVER;
	next = (struct content){content.value + 1, member->me};
	*writer_of(next.value) = member->me;
	if (fate == DIE_WHILE_IT_HOLDS)
		raise(SIGKILL);
	if (fate == FREEZE_WHILE_IT_WRITES)
		return freeze_while_it_writes(member, &next);
	if (dso_memory_write(member->memory, 0, &next, sizeof next))
		return OVER;
	ledger->done = next.value;
	member->place->turns++;
	r = dso_mutex_unlock(member->mutex);
	return r == 0 ? -1 : OVER;
}

/* Until it dies, is fenced or is to come to an end. Returns an exit status. */
static int take_part(const char *url, const char *transport, struct member *member)
{
	struct dso_options options = {.transport = transport, .timeout = HANG_TIMEOUT};
	struct dso_memory_params params = {.size_bytes = sizeof(struct content)};
	int r = dso_open(url, &options, &member->session);

	if (r == 0)
		r = dso_mutex_open(member->session, "mutex", NULL, &member->mutex);
	if (r == 0)
		r = dso_memory_open(member->session, "register", &params, &member->memory);
	if (r)
		return wrong(member, "%s", dso_error(member->session));
	while (member->place->fate != COME_TO_AN_END) {
		r = turn(member);
		if (r >= 0)
			return r;
	}
	dso_close(member->session);
	return OVER;
}

static int be_member(char **argv)
{
	struct member member = {.me = (uint32_t)strtoul(argv[4], NULL, 10)};

	ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(argv[5]), 0);
	if (ledger == MAP_FAILED)
		return STRANGE;
	member.place = &ledger->places[member.me % PROCESS_MAX];
	return take_part(argv[2], argv[3], &member);
}

/* ---- who watches over them ---- */

static pid_t pids[PROCESS_MAX];
static uint32_t incarnations[PROCESS_MAX];

static void begin(const char *transport, int place)
{
	char me[24], fd[24];
	pid_t pid;

	ledger->places[place].fate = LIVE;
	ledger->places[place].refused = false;
	snprintf(me, sizeof me, "%u", ++incarnations[place] * PROCESS_MAX + (unsigned)place);
	snprintf(fd, sizeof fd, "%d", ledger_fd);
	pid = child_fork();
	if (pid == 0) {
		execl("/proc/self/exe", "mutex_stress", "--member", daemon_url(&storage, transport),
		      transport, me, fd, NULL);
		_exit(STRANGE);
	}
	pids[place] = pid;
}

/* It is dead, or fenced: nothing of it may come any more. */
static void note_gone(int place)
{
	ledger->places[place].incarnation = incarnations[place] + 1;
}

/* Wait for @count turns, by whomever. */
static void until_turns(uint64_t count)
{
	uint64_t until = ledger->done + count;

	AWAIT(ledger->done >= until);
}

static void must_end_by(const char *what, int place, bool killed)
{
	int status = child_status(pids[place]);

	ck_assert_msg(status == (killed ? CHILD_KILLED : OVER),
		      "%s: one who was to %s ended with %d", what, killed ? "be killed" : "end",
		      status);
}

/* Anywhere in its turn, or where it holds the mutex and has not written. */
static void kill_one(const char *transport, const char *what)
{
	int place = rand_r(&seed) % processes;
	bool anywhere = rand_r(&seed) % 2;

	if (anywhere)
		kill(pids[place], SIGKILL);
	else
		ledger->places[place].fate = DIE_WHILE_IT_HOLDS;
	must_end_by(what, place, true);
	note_gone(place);
	begin(transport, place);
}

static void freeze_one(const char *transport, const char *what)
{
	int place = rand_r(&seed) % processes, status;

	ledger->places[place].fate = FREEZE_WHILE_IT_WRITES;
	ck_assert_int_eq(waitpid(pids[place], &status, WUNTRACED), pids[place]);
	ck_assert_msg(WIFSTOPPED(status), "%s: one who was to stop ended with %#x", what, status);
	note_gone(place);
	/* It holds the mutex: all the others wait until it is fenced. */
	until_turns((uint64_t)processes);
	kill(pids[place], SIGCONT);
	status = child_status(pids[place]);
	if (!strcmp(transport, "shm"))
		ck_assert_msg(status == CHILD_KILLED, "%s: storaged did not end it", what);
	else
		ck_assert_msg(status == OVER && ledger->places[place].refused,
			      "%s: the fenced one ended with %d", what, status);
	until_turns((uint64_t)processes);
	begin(transport, place);
}

static void end_all(const char *what)
{
	for (int place = 0; place < processes; place++)
		ledger->places[place].fate = COME_TO_AN_END;
	for (int place = 0; place < processes; place++)
		must_end_by(what, place, false);
}

/* As many as the processes noted, and one more at most of each that died. */
static void look_over(const char *transport, const char *what)
{
	struct dso_options options = {.transport = transport};
	struct member member = {0};
	struct content content;
	uint64_t counted = 0, died = 0;

	ck_assert_int_eq(dso_open(daemon_url(&storage, transport), &options, &member.session), 0);
	ck_assert_int_eq(dso_memory_open(member.session, "register", NULL, &member.memory), 0);
	ck_assert_int_eq(dso_memory_read(member.memory, 0, &content, sizeof content), 0);
	ck_assert_int_eq(check_content(&member, &content), 0);
	for (int place = 0; place < processes; place++) {
		counted += ledger->places[place].turns;
		died += incarnations[place] - 1;
	}
	/* Who was killed between the WRITE and its note has written one that is not noted. */
	ck_assert_msg(content.value >= counted && content.value <= counted + died,
		      "%s: %ju in the register after %ju turns and %ju deaths", what,
		      (uintmax_t)content.value, (uintmax_t)counted, (uintmax_t)died);
	printf("# %s: %d processes, %ju turns, %ju of whom died or froze; the register is exact\n",
	       what, processes, (uintmax_t)content.value, (uintmax_t)died);
	dso_memory_close(member.memory);
	fsck_until_clean(member.session);
	dso_close(member.session);
}

static void setup(int ttl_of_storaged_ms)
{
	char ttl[24];
	const char *const arguments[] = {"--memory",    "64MiB", "--ttl", ttl,
					 "--shm-fence", "kill",  NULL};

	snprintf(ttl, sizeof ttl, "%dms", ttl_of_storaged_ms);
	daemon_start(&storage, arguments);
	ledger_fd = memfd_create("ledger", 0); /* the members inherit it */
	ck_assert_int_eq(ftruncate(ledger_fd, sizeof *ledger), 0);
	ledger = mmap(NULL, sizeof *ledger, PROT_READ | PROT_WRITE, MAP_SHARED, ledger_fd, 0);
	ck_assert_ptr_ne(ledger, MAP_FAILED);
	memset(incarnations, 0, sizeof incarnations);
}

static void setup_to_kill(void)
{
	setup(KILLS_TTL_MS);
}

static void setup_to_freeze(void)
{
	setup(ttl_ms);
}

static void teardown(void)
{
	munmap(ledger, sizeof *ledger);
	close(ledger_fd);
	ck_assert_int_eq(daemon_stop(&storage), 0);
}

static void begin_all(const char *transport)
{
	for (int place = 0; place < processes; place++)
		begin(transport, place);
	until_turns(10 * (uint64_t)processes);
}

START_TEST(a_plain_register_under_a_mutex_counts_every_turn_of_processes_that_die)
{
	const char *transport = transports[_i];
	char what[64];

	snprintf(what, sizeof what, "processes over %s", transport);
	begin_all(transport);
	for (int i = 0; i < kills; i++) {
		kill_one(transport, what);
		until_turns(1 + (uint64_t)rand_r(&seed) % 50);
	}
	end_all(what);
	look_over(transport, what);
}
END_TEST

START_TEST(a_plain_register_under_a_mutex_has_nothing_that_a_frozen_process_wrote_later)
{
	const char *transport = transports[_i];
	char what[64];

	snprintf(what, sizeof what, "processes over %s", transport);
	begin_all(transport);
	for (int i = 0; i < freezes; i++)
		freeze_one(transport, what);
	end_all(what);
	look_over(transport, what);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("mutex_stress");
	TCase *deaths = tcase_create("deaths"), *freezing = tcase_create("freezes");

	if (argc == 6 && !strcmp(argv[1], "--member"))
		return be_member(argv);
	transports_choose(argc, argv);
	processes = number_of("MUTEX_STRESS_PROCESSES", processes);
	processes = processes < PROCESS_MAX ? processes : PROCESS_MAX;
	kills = number_of("MUTEX_STRESS_KILLS", kills);
	freezes = number_of("MUTEX_STRESS_FREEZES", freezes);
	ttl_ms = number_of("MUTEX_STRESS_TTL_MS", ttl_ms);
	seed = (unsigned)number_of("MUTEX_STRESS_SEED", (int)time(NULL));
	printf("# MUTEX_STRESS_SEED=%u\n", seed);
	tcase_set_timeout(deaths, 1200);
	tcase_set_timeout(freezing, 1200);
	tcase_add_checked_fixture(deaths, setup_to_kill, teardown);
	tcase_add_checked_fixture(freezing, setup_to_freeze, teardown);
	tcase_add_loop_test(deaths,
			    a_plain_register_under_a_mutex_counts_every_turn_of_processes_that_die,
			    0, transport_count);
	tcase_add_loop_test(
		freezing,
		a_plain_register_under_a_mutex_has_nothing_that_a_frozen_process_wrote_later, 0,
		transport_count);
	suite_add_tcase(suite, deaths);
	suite_add_tcase(suite, freezing);
	return run_suite(suite);
}
