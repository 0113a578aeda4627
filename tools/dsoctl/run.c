/* SPDX-License-Identifier: Apache-2.0 */
/* dsoctl run: a program as many processes, from their start to what they leave. */
#include "tools/dsoctl/course.h"
#include "tools/dsoctl/dsoctl.h"
#include "tools/dsoctl/rank.h"
#include "tools/dsoctl/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit statuses as shells have them. */
#define COULD_NOT_START 126
#define NOT_FOUND       127
#define ENDED_BY_SIGNAL 128

#define NAME_BYTES_MAX 64 /* of a run */
#define POLLED_MAX     (1 + RANK_STREAMS + RANK_STREAMS * RANKS_MAX)

struct run {
	struct dsoctl *ctl;
	char name[NAME_BYTES_MAX + 1];
	struct rank ranks[RANKS_MAX];
	unsigned count;
	struct rank_setting setting;
	struct guard guard;
	struct outlet outlets[RANK_STREAMS];
	int signals; /* a signalfd */
	struct pollfd polled[POLLED_MAX];
	struct stream *streams[POLLED_MAX]; /* polled[i] is this one's; NULL: no stream's */
	struct course course;
	bool is_ending;            /* all ranks are to end */
	const struct rank *failed; /* the first one; NULL: none */
	bool is_late;              /* --timeout is over */
	int start_error;           /* of a rank that could not be started, or 0 */
	uint64_t removed;          /* objects */
};

/* ---- what is asked for ---- */

static enum exit_status choose_name(struct run *run)
{
	const char *given = run->ctl->run;
	uint64_t drawn;

	if (given && (!*given || strlen(given) > NAME_BYTES_MAX || strchr(given, '/')))
		return wrong_usage(run->ctl, "--run %s is no name of 1 to %d bytes without a /",
				   given, NAME_BYTES_MAX);
	if (!given && getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
		return fail_because("no random numbers for the name of the run");
	if (given)
		snprintf(run->name, sizeof run->name, "%s", given);
	else
		snprintf(run->name, sizeof run->name, "%016" PRIx64, drawn);
	return STATUS_DONE;
}

static unsigned processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static enum exit_status choose_count(struct run *run)
{
	uint64_t count = run->ctl->options & OPTION_COUNT ? run->ctl->count : processors();

	if (count > RANKS_MAX)
		return wrong_usage(run->ctl, "-n %" PRIu64 " is more than %d", count, RANKS_MAX);
	run->count = (unsigned)count;
	return STATUS_DONE;
}

/* The environment that all ranks have in common. */
static enum exit_status tell_ranks(const struct run *run)
{
	const struct dsoctl *ctl = run->ctl;
	char digits[16];

	if (strcmp(dso_transport(ctl->session), "embedded") == 0)
		return fail_because("processes share no embedded store; start a storaged, and name "
				    "it with --url or DSO_URL");
	snprintf(digits, sizeof digits, "%u", run->count);
	if (setenv("DSO_URL", dso_url(ctl->session), 1) || setenv("DSO_COUNT", digits, 1) ||
	    setenv("DSO_RUN", run->name, 1) ||
	    (ctl->transport && setenv("DSO_TRANSPORT", ctl->transport, 1)))
		return fail_because("out of memory");
	return STATUS_DONE;
}

/* ---- what goes on ---- */

static void end_all(struct run *run)
{
	run->is_ending = true;
}

/* The first signal has them end; the second one leaves them no time. */
static void end_by(struct run *run, int signal_number)
{
	if (run->ctl->signal)
		run->course.due_ns = now_ns();
	run->ctl->signal = signal_number;
	end_all(run);
}

static void signal_all(struct run *run, int signal_number)
{
	for (unsigned i = 0; i < run->count; i++)
		rank_signal(&run->ranks[i], signal_number);
}

static void note_failure(struct run *run, const struct rank *rank)
{
	if (run->failed || run->is_ending)
		return;
	run->failed = rank;
	if (!run->ctl->keep_going)
		end_all(run);
}

static void start_one(struct run *run, struct rank *rank)
{
	int r = rank_start(rank, &run->setting);

	if (r == 0)
		return;
	rank->is_over = true;
	if (run->start_error == 0) {
		run->start_error = r;
		run->failed = rank;
	}
	end_all(run);
}

static bool may_start_again(const struct run *run, const struct rank *rank)
{
	return rank->wait_status != 0 && rank->attempts <= run->ctl->restarts && !run->is_ending;
}

static void reap(struct run *run)
{
	for (unsigned i = 0; i < run->count; i++) {
		struct rank *rank = &run->ranks[i];

		if (rank_has_ended(rank, &run->setting) && rank->wait_status != 0 &&
		    !may_start_again(run, rank))
			note_failure(run, rank);
	}
}

/* One attempt's output is read before the next one begins. After a signal nobody waits for a reader
 * that does not read. */
static void settle(struct run *run)
{
	for (unsigned i = 0; i < run->count; i++) {
		struct rank *rank = &run->ranks[i];

		if (rank->pid || rank->is_over || !(rank_is_read(rank) || run->ctl->signal))
			continue;
		if (may_start_again(run, rank))
			start_one(run, rank);
		else
			rank->is_over = true;
	}
}

static bool all_are_over(const struct run *run)
{
	for (unsigned i = 0; i < run->count; i++)
		if (!run->ranks[i].is_over)
			return false;
	return run->ctl->signal || (outlet_is_empty(&run->outlets[RANK_STDOUT]) &&
				    outlet_is_empty(&run->outlets[RANK_STDERR]));
}

/* ---- signals ---- */

static bool ends_run(int signal_number)
{
	return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP ||
	       signal_number == SIGQUIT;
}

static void take_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof info) == sizeof info) {
		int number = (int)info.ssi_signo;

		if (number == SIGCHLD)
			reap(run);
		/* Its own are those of a write, and what its threads call each other with. */
		else if (info.ssi_pid == (uint32_t)getpid())
			continue;
		else if (ends_run(number))
			end_by(run, number);
		else
			signal_all(run, number);
	}
}

/* Returns 0 or a negative errno. */
static int catch_signals(struct run *run)
{
	sigset_t set = ending_signals();

	sigaddset(&set, SIGCHLD);
	/* If it were ignored, as a parent may have left it, no rank's end would be seen. */
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &run->setting.mask);
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signals < 0 ? -errno : 0;
}

/* ---- output ---- */

/* Of a rank that has ended all is read, as long as the outlet has room: no event tells that a pipe
 * which another process has kept is empty. */
static void read_output(struct rank *rank, int which, struct outlet *outlet)
{
	struct stream *stream = &rank->streams[which];

	while (stream->fd >= 0 && (stream->is_ready || !rank->pid) && outlet_is_empty(outlet)) {
		stream->is_ready = false;
		stream_read(stream, !rank->pid, outlet);
		outlet_flush(outlet);
	}
}

static void read_outputs(struct run *run)
{
	for (int which = 0; which < RANK_STREAMS; which++)
		for (unsigned i = 0; i < run->count; i++)
			read_output(&run->ranks[i], which, &run->outlets[which]);
}

/* As a program that writes there itself would end. */
static void look_for_readers(struct run *run)
{
	sigset_t set = ending_signals();

	for (int which = 0; which < RANK_STREAMS; which++)
		if (run->outlets[which].is_broken && sigismember(&set, SIGPIPE) == 1 &&
		    !run->ctl->signal)
			end_by(run, SIGPIPE);
}

/* ---- waiting ---- */

/* For how long nothing is due, in ms; -1: for ever. */
static int pause_ms(const struct run *run)
{
	int64_t left_ns;

	if (run->course.state != COURSE_RUNS)
		left_ns = run->course.due_ns - now_ns();
	else if (run->ctl->wait_ns == DSO_FOREVER)
		return -1;
	else
		left_ns = time_left(run->ctl);
	if (left_ns <= 0)
		return 0;
	return left_ns > 3600 * DSO_SECOND ? 3600 * 1000 : (int)(left_ns / DSO_MILLISECOND) + 1;
}

static void add_polled(struct run *run, nfds_t *used, int fd, short events, struct stream *stream)
{
	run->streams[*used] = stream;
	run->polled[(*used)++] = (struct pollfd){.fd = fd, .events = events};
}

/* Streams are not read while their outlet has no room: then their ranks wait, too. */
static void await(struct run *run)
{
	nfds_t used = 0;

	add_polled(run, &used, run->signals, POLLIN, NULL);
	for (int which = 0; which < RANK_STREAMS; which++) {
		bool is_empty = outlet_is_empty(&run->outlets[which]);

		if (!is_empty)
			add_polled(run, &used, run->outlets[which].fd, POLLOUT, NULL);
		for (unsigned i = 0; i < run->count && is_empty; i++) {
			struct stream *stream = &run->ranks[i].streams[which];

			if (stream->fd >= 0)
				add_polled(run, &used, stream->fd, POLLIN, stream);
		}
	}
	if (poll(run->polled, used, pause_ms(run)) <= 0)
		return;
	for (nfds_t i = 0; i < used; i++)
		if (run->streams[i] && run->polled[i].revents)
			run->streams[i]->is_ready = true;
}

/* From the start of the ranks to the end of the last one. */
static void attend(struct run *run)
{
	while (!all_are_over(run)) {
		int due;

		await(run);
		take_signals(run);
		for (int which = 0; which < RANK_STREAMS; which++)
			outlet_flush(&run->outlets[which]);
		read_outputs(run);
		look_for_readers(run);
		settle(run);
		if (!run->is_ending && time_left(run->ctl) == DSO_NOWAIT) {
			run->is_late = true;
			end_all(run);
		}
		due = course_step(&run->course, run->is_ending, now_ns());
		if (due)
			signal_all(run, due);
	}
}

/* Returns 0 or a negative errno of what all ranks need. */
static int begin(struct run *run)
{
	int r = catch_signals(run);

	for (int which = 0; which < RANK_STREAMS && r == 0; which++)
		r = outlet_open(&run->outlets[which], which == RANK_STDOUT ? 1 : 2);
	if (r == 0)
		r = guard_start(&run->guard, run->count);
	run->setting.guard = &run->guard;
	for (unsigned i = 0; i < run->count; i++)
		run->ranks[i] = (struct rank){
			.number = i, .streams = {{.fd = -1}, {.fd = -1}}, .is_over = true};
	for (unsigned i = 0; i < run->count && r == 0 && !run->is_ending; i++) {
		run->ranks[i].is_over = false;
		start_one(run, &run->ranks[i]);
	}
	return r;
}

static void end(struct run *run)
{
	guard_end(&run->guard);
	for (int which = 0; which < RANK_STREAMS; which++)
		outlet_close(&run->outlets[which]);
	close(run->signals);
}

/* ---- what is left, and told ---- */

static enum exit_status remove_objects(struct run *run)
{
	char prefix[NAME_BYTES_MAX + 8];
	int r;

	if (run->ctl->keep)
		return STATUS_DONE;
	snprintf(prefix, sizeof prefix, "run/%s/", run->name);
	r = dso_renew(run->ctl->session, NULL, NULL);
	if (r == 0)
		r = dso_delete_prefix(run->ctl->session, prefix, &run->removed);
	if (r == 0)
		return STATUS_DONE;
	return fail_because("the objects %s of the run may be left: %s; dsoctl rm --prefix %s "
			    "deletes them",
			    prefix, dso_error(run->ctl->session), prefix);
}

static int status_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? ENDED_BY_SIGNAL + WTERMSIG(wait_status)
					: WEXITSTATUS(wait_status);
}

static enum exit_status say_failure(const struct run *run)
{
	const struct rank *rank = run->failed;
	const char *others = run->count == 1        ? ""
			     : run->ctl->keep_going ? "; the others went on"
						    : "; the others were ended";
	char attempts[48] = "";

	if (rank->attempts > 1)
		snprintf(attempts, sizeof attempts, " in attempt %u, the last one", rank->attempts);
	if (run->start_error) {
		fail_because("cannot run %s as rank %u: %s", run->setting.words[0], rank->number,
			     strerror(-run->start_error));
		return run->start_error == -ENOENT ? NOT_FOUND : COULD_NOT_START;
	}
	if (WIFSIGNALED(rank->wait_status))
		fail_because("rank %u was ended by signal %d (%s)%s%s", rank->number,
			     WTERMSIG(rank->wait_status), strsignal(WTERMSIG(rank->wait_status)),
			     attempts, others);
	else
		fail_because("rank %u ended with status %d%s%s", rank->number,
			     WEXITSTATUS(rank->wait_status), attempts, others);
	return (enum exit_status)status_of(rank->wait_status);
}

static enum exit_status say_outcome(const struct run *run)
{
	if (run->failed)
		return say_failure(run);
	if (!run->is_late)
		return STATUS_DONE;
	fail_because("the ranks were not through in time, and were ended; --timeout gives them "
		     "longer");
	return STATUS_TIMED_OUT;
}

static json_t *describe(const struct run *run)
{
	json_t *ranks = json_array();

	for (unsigned i = 0; i < run->count; i++)
		json_array_append_new(ranks,
				      json_pack("{s:i, s:i, s:i}", "rank", (int)i, "attempts",
						(int)run->ranks[i].attempts, "status",
						status_of(run->ranks[i].wait_status)));
	return json_pack("{s:o, s:o, s:o, s:I}", "run", json_text(run->name), "ranks", ranks,
			 "failed", run->failed ? json_integer(run->failed->number) : json_null(),
			 "removed", (json_int_t)run->removed);
}

static enum exit_status make_directory(const struct dsoctl *ctl)
{
	if (!ctl->directory || mkdir(ctl->directory, 0777) == 0 || errno == EEXIST)
		return STATUS_DONE;
	return fail_because("cannot make the directory %s for the output of ranks: %s",
			    ctl->directory, strerror(errno));
}

static enum exit_status run_ranks(struct run *run)
{
	enum exit_status status, removed;
	int r = begin(run);

	if (r == 0)
		attend(run);
	end(run);
	status = r ? fail_because("cannot start the run: %s", strerror(-r)) : say_outcome(run);
	removed = remove_objects(run);
	if (status == STATUS_DONE)
		status = removed;
	return print_run(run->ctl, status, false, describe(run));
}

enum exit_status run_run(struct dsoctl *ctl)
{
	struct run *run = calloc(1, sizeof *run);
	enum exit_status status;

	if (!run)
		return fail_because("out of memory");
	run->ctl = ctl;
	run->setting = (struct rank_setting){
		.words = ctl->operands, .directory = ctl->directory, .has_marks = !ctl->no_marks};
	status = choose_name(run);
	if (status == STATUS_DONE)
		status = choose_count(run);
	if (status == STATUS_DONE)
		status = make_directory(ctl);
	if (status == STATUS_DONE)
		status = tell_ranks(run);
	if (status == STATUS_DONE)
		status = run_ranks(run);
	free(run);
	return status;
}
