/* SPDX-License-Identifier: Apache-2.0 */
/* The command line: options, and the command that its words begin with. */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	KEY_JSON = 0x100,
	KEY_SILENCE,
	KEY_TIMEOUT,
	KEY_TRANSPORT,
	KEY_URL,
	KEY_INITIAL,
	KEY_STRIPES,
	KEY_PERMITS,
	KEY_HELD,
	KEY_FORCE,
	KEY_PREFIX,
	KEY_FIGURES,
	KEY_CAPACITY,
	KEY_ITEM_BYTES,
	KEY_RENDEZVOUS,
	KEY_LINES,
	KEY_ALL,
	KEY_WAIT,
	KEY_LEASE,
	KEY_OTHER,
	KEY_EPHEMERAL,
	KEY_RUN,
	KEY_RESTART,
	KEY_KEEP_GOING,
	KEY_NO_MARKS,
	KEY_OUTPUT_PER_RANK,
	KEY_KEEP,
	KEY_USAGE,
};

const struct argp_option option_table[] = {
	{NULL, 0, NULL, 0, "Options of every command:", 1},
	{"url", KEY_URL, "URL", 0,
	 "where storaged is: dso://HOST[:PORT][/NAMESPACE], dso+unix://PATH or embedded:[NAME] "
	 "(DSO_URL; its unix socket, then dso://127.0.0.1:7471)"},
	{"transport", KEY_TRANSPORT, "NAME", 0,
	 "auto, shm, verbs, roce or tcp (DSO_TRANSPORT; auto)"},
	{"silence", KEY_SILENCE, "TIME", 0,
	 "silence after which storaged is given up, as in 2s, 300ms or 2m; a bare number is "
	 "seconds (DSO_TIMEOUT_MS; 3s). At most three quarters of storaged's --ttl. Opening the "
	 "session may take as long, or --timeout where that is longer; where neither is given, "
	 "10s"},
	{"timeout", KEY_TIMEOUT, "TIME", 0,
	 "the longest wait for others, as in 10s, 500ms, 2m, or 0 for none: counter wait, register "
	 "wait, lock, semaphore run, barrier wait, latch wait, future get, once, queue push (for "
	 "ever), queue pop (none; for ever with --wait), map wait, agg contribute, agg wait, run "
	 "(for ever). "
	 "It counts from "
	 "the start of dsoctl. However short it is, storaged has "
	 "--silence to answer, and is asked once. For "
	 "other commands it is --silence, and the limit for opening the session, too"},
	{"json", KEY_JSON, NULL, 0,
	 "print JSON: one object, for ls, ps, logs, queue pop, map scan and set scan one a line. "
	 "lock, "
	 "semaphore run, once, run "
	 "and queue pop --lease print it after "
	 "the output of their command, on a line of its own. Tokens, counters and latches are "
	 "there "
	 "as text, too, in value_text for value: jq rounds numbers over 2^53. Not for completion "
	 "and help"},
	{NULL, 0, NULL, 0, "Options of single commands:", 2},
	{"count", 'n', "N", 0,
	 "ping: round trips to make (10); barrier wait: parties of a new barrier; semaphore run: "
	 "permits to take (1); queue pop: items to take at most (1); agg open: contributors of a "
	 "round; run: ranks, 1 to 1024 (as many as there are processors)"},
	{"long", 'l', NULL, 0,
	 "ls: with type, generation, size, how many handles are open, and whether it goes with the "
	 "last of them"},
	{"held", KEY_HELD, NULL, 0,
	 "ls: what each session holds, and for how long: locks, permits, onces under way, "
	 "promised futures, leased items"},
	{"force", KEY_FORCE, NULL, 0, "unlock, rm: also where a session holds it"},
	{"prefix", KEY_PREFIX, "TEXT", 0,
	 "ls, rm, ps: every object, or executor, with a name that begins with TEXT"},
	{"permits", KEY_PERMITS, "N", 0, "semaphore run: permits of a new semaphore"},
	{"initial", KEY_INITIAL, "N", 0, "counter open: the value at creation (0)"},
	{"capacity", KEY_CAPACITY, "N", 0,
	 "queue open, queue push: items of a new queue, 1 to 4096 (1024)"},
	{"item-bytes", KEY_ITEM_BYTES, "N", 0,
	 "queue open, queue push: the most bytes of an item of a new queue, 1 to 65536 (224; push "
	 "makes "
	 "a "
	 "new one for the items that it has)"},
	{"rendezvous", KEY_RENDEZVOUS, NULL, 0,
	 "queue open: each push waits until a consumer has taken its item; --capacity is how many "
	 "can wait (64)"},
	{"lines", KEY_LINES, NULL, 0,
	 "queue push: each line of stdin is an item; queue pop: a newline behind each item"},
	{"null", '0', NULL, 0,
	 "queue push, queue pop, map scan, set scan: a byte of 0 behind each item, as find -print0 "
	 "has it"},
	{"all", KEY_ALL, NULL, 0, "queue pop: all items that are there"},
	{"wait", KEY_WAIT, NULL, 0,
	 "queue pop: wait for the first item, for --timeout where that is given, or for ever"},
	{"lease", KEY_LEASE, NULL, 0,
	 "queue pop: run a command with the item on its stdin; unless that exits with 0 the item "
	 "goes back to the queue"},
	{"other", KEY_OTHER, NULL, 0, "counter wait: until the value is another one than VALUE"},
	{"ephemeral", KEY_EPHEMERAL, NULL, 0,
	 "lock, semaphore run, barrier wait, map open, set open: one that is made is deleted when "
	 "the last session "
	 "that "
	 "has it open is over; where there is one that stays, that is refused"},
	{"run", KEY_RUN, "RUN", 0,
	 "run: the name of the run, 1 to 64 bytes without a / (one that is drawn)"},
	{"restart", KEY_RESTART, "N", OPTION_ARG_OPTIONAL,
	 "run: start a rank that fails again, up to N times (3)"},
	{"keep-going", KEY_KEEP_GOING, NULL, 0, "run: when a rank fails the others go on"},
	{"no-marks", KEY_NO_MARKS, NULL, 0, "run: lines without their rank in front"},
	{"output-per-rank", KEY_OUTPUT_PER_RANK, "DIRECTORY", 0,
	 "run: what a rank writes goes to DIRECTORY/RANK.out and RANK.err, as it is"},
	{"keep", KEY_KEEP, NULL, 0, "run: do not delete the objects of the run"},
	{"figures", KEY_FIGURES, NULL, OPTION_HIDDEN, NULL}, /* see name_figures */
	{"stripes", KEY_STRIPES, "N", 0,
	 "counter open: words that additions are spread over, 1 to 64 (1); a counter with more "
	 "than 1 has no set and no cas"},
	{NULL, 0, NULL, 0, "Other options:", -1},
	{"help", '?', NULL, 0, "print this, or with a command what that does"},
	{"usage", KEY_USAGE, NULL, 0, "print the options in short"},
	{"version", 'V', NULL, 0, "print the version of dsoctl"},
	{NULL},
};

/* The bit of an option that only some commands have. */
static const struct {
	int key;
	unsigned option; /* of enum command_option */
} option_of[] = {
	{KEY_TIMEOUT, OPTION_TIMEOUT},
	{'n', OPTION_COUNT},
	{'l', OPTION_LONG},
	{KEY_HELD, OPTION_HELD},
	{KEY_FORCE, OPTION_FORCE},
	{KEY_PERMITS, OPTION_PERMITS},
	{KEY_PREFIX, OPTION_PREFIX},
	{KEY_INITIAL, OPTION_INITIAL},
	{KEY_FIGURES, OPTION_FIGURES},
	{KEY_STRIPES, OPTION_STRIPES},
	{KEY_CAPACITY, OPTION_CAPACITY},
	{KEY_ITEM_BYTES, OPTION_ITEM_BYTES},
	{KEY_RENDEZVOUS, OPTION_RENDEZVOUS},
	{KEY_LINES, OPTION_LINES},
	{'0', OPTION_NULL},
	{KEY_ALL, OPTION_ALL},
	{KEY_WAIT, OPTION_WAIT},
	{KEY_LEASE, OPTION_LEASE},
	{KEY_OTHER, OPTION_OTHER},
	{KEY_EPHEMERAL, OPTION_EPHEMERAL},
	{KEY_RUN, OPTION_RANKS},
	{KEY_RESTART, OPTION_RANKS},
	{KEY_KEEP_GOING, OPTION_RANKS},
	{KEY_NO_MARKS, OPTION_RANKS},
	{KEY_OUTPUT_PER_RANK, OPTION_RANKS},
	{KEY_KEEP, OPTION_RANKS},
};

unsigned option_bit(int key)
{
	for (size_t i = 0; i < sizeof option_of / sizeof *option_of; i++)
		if (option_of[i].key == key)
			return option_of[i].option;
	return 0;
}

/*
 * argp must not take "-5" for an option, because it is a number: such arguments have this mark in
 * front while argp has them.
 */
#define NUMBER_MARK '\x1f'

static char *unmarked(char *argument)
{
	return argument && *argument == NUMBER_MARK ? argument + 1 : argument;
}

static bool is_negative_number(const char *argument)
{
	return argument[0] == '-' && isdigit((unsigned char)argument[1]) && strcmp(argument, "-0");
}

/* Put the mark before negative numbers that stand before "--". The arguments live as long as the
 * process. */
static void mark_numbers(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		char *marked;

		if (!is_negative_number(argv[i]))
			continue;
		if (asprintf(&marked, "%c%s", NUMBER_MARK, argv[i]) < 0)
			exit(fail_because("out of memory"));
		argv[i] = marked;
	}
}

/* --transport without a name asks stat for the figures of the transport. */
static void name_figures(int argc, char **argv)
{
	static char figures[] = "--figures";

	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--transport") && (i + 1 == argc || argv[i + 1][0] == '-'))
			argv[i] = figures;
}

/* The command line as argp works on it, and as it was typed. */
struct parsing {
	struct dsoctl *ctl;
	char **typed;
};

/* Whether the last operand is the first word of a command that is to be run: then the rest belongs
 * to that command. */
static bool begins_command(const struct dsoctl *ctl)
{
	unsigned used;
	const struct command *command = command_find(ctl->operands, ctl->operand_count, &used);

	return command && command_runs_another(command) &&
	       ctl->operand_count == used + 1 + command_has_name(command);
}

static void add_operand(struct parsing *parsing, char *argument, struct argp_state *state)
{
	struct dsoctl *ctl = parsing->ctl;

	ctl->operands[ctl->operand_count++] = unmarked(argument);
	if (!begins_command(ctl))
		return;
	for (int i = state->next; i < state->argc; i++)
		ctl->operands[ctl->operand_count++] = parsing->typed[i];
	state->next = state->argc;
}

/* A time to wait for others: what parse_duration() takes, 0, and longer times in minutes, hours and
 * days. */
static int parse_wait(const char *text, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
	size_t digits = strspn(text, "0123456789.");
	int64_t thousandths;
	char number[32];

	if (parse_duration(text, DSO_SECOND, ret_ns) == 0)
		return 0;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(text + digits, units[i].name) || digits >= sizeof number)
			continue;
		snprintf(number, sizeof number, "%.*s", (int)digits, text);
		if (strspn(number, "0") == digits && digits)
			thousandths = 0;
		else if (parse_duration(number, 1000, &thousandths) ||
			 thousandths > INT64_MAX / DSO_MILLISECOND / units[i].seconds)
			return -EINVAL;
		*ret_ns = thousandths * DSO_MILLISECOND * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct parsing *parsing = state->input;
	struct dsoctl *ctl = parsing->ctl;

	argument = unmarked(argument);
	ctl->options |= option_bit(key);
	switch (key) {
	case KEY_URL:
		ctl->url = argument;
		return 0;
	case KEY_TRANSPORT:
		ctl->transport = argument;
		return 0;
	case KEY_SILENCE:
		if (parse_duration(argument, DSO_SECOND, &ctl->silence_ns))
			argp_error(state,
				   "--silence %s is no time above 0 and up to an hour, such as 2s, "
				   "300ms or 2m",
				   argument);
		return 0;
	case KEY_TIMEOUT:
		if (parse_wait(argument, &ctl->wait_ns))
			argp_error(state, "--timeout %s is no time such as 10s, 500ms, 2m or 0",
				   argument);
		return 0;
	case KEY_JSON:
		ctl->json = true;
		return 0;
	case 'n':
		if (parse_number(argument, 1, 1000000, &ctl->count))
			argp_error(state, "-n (--count) %s is no number from 1 to 1000000",
				   argument);
		return 0;
	case KEY_INITIAL:
		if (parse_int64(argument, &ctl->initial))
			argp_error(state, "--initial %s is no 64-bit number", argument);
		return 0;
	case KEY_STRIPES:
		if (parse_number(argument, 1, DSO_COUNTER_STRIPES_MAX, &ctl->stripes))
			argp_error(state, "--stripes %s is no number from 1 to %d", argument,
				   DSO_COUNTER_STRIPES_MAX);
		return 0;
	case KEY_PERMITS:
		if (parse_number(argument, 1, DSO_SEMAPHORE_PERMITS_MAX, &ctl->permits))
			argp_error(state, "--permits %s is no number from 1 to %d", argument,
				   DSO_SEMAPHORE_PERMITS_MAX);
		return 0;
	case KEY_CAPACITY:
		if (parse_number(argument, 1, DSO_QUEUE_CAPACITY_MAX, &ctl->capacity))
			argp_error(state, "--capacity %s is no number from 1 to %d", argument,
				   DSO_QUEUE_CAPACITY_MAX);
		return 0;
	case KEY_ITEM_BYTES:
		if (parse_number(argument, 1, DSO_QUEUE_ITEM_BYTES_MAX, &ctl->item_bytes))
			argp_error(state, "--item-bytes %s is no number from 1 to %d", argument,
				   DSO_QUEUE_ITEM_BYTES_MAX);
		return 0;
	case KEY_PREFIX:
		ctl->prefix = argument;
		return 0;
	case KEY_EPHEMERAL:
		ctl->ephemeral = DSO_EPHEMERAL;
		return 0;
	case KEY_RUN:
		ctl->run = argument;
		return 0;
	case KEY_RESTART:
		ctl->restarts = 3;
		if (argument && parse_number(argument, 0, 1000000, &ctl->restarts))
			argp_error(state, "--restart %s is no number from 0 to 1000000", argument);
		return 0;
	case KEY_KEEP_GOING:
		ctl->keep_going = true;
		return 0;
	case KEY_NO_MARKS:
		ctl->no_marks = true;
		return 0;
	case KEY_OUTPUT_PER_RANK:
		ctl->directory = argument;
		return 0;
	case KEY_KEEP:
		ctl->keep = true;
		return 0;
	case '?':
		ctl->wants_help = true;
		return 0;
	case KEY_USAGE:
		argp_state_help(state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
		return 0;
	case 'V':
		puts("dsoctl (dso-rdma) " DSO_VERSION);
		exit(STATUS_DONE);
	case ARGP_KEY_ARG:
		add_operand(parsing, argument, state);
		return 0;
	}
	return option_bit(key) ? 0 : ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
	option_table, parse_option, "COMMAND [ARGUMENT...]", NULL, NULL, NULL, NULL,
};

/*
 * --timeout is the wait for others, of a command that waits; of any other command it is the wait
 * for storaged, which has to be above 0.
 */
static enum exit_status place_timeout(struct dsoctl *ctl)
{
	bool waits = ctl->command->options & OPTION_TIMEOUT;

	if (ctl->options & OPTION_TIMEOUT && !waits) {
		if (ctl->wait_ns < 1 || ctl->wait_ns > 3600 * DSO_SECOND)
			return wrong_usage(ctl,
					   "--timeout of %s is the wait for storaged: above 0, and "
					   "up to an hour",
					   ctl->command->name);
		if (ctl->silence_ns == 0)
			ctl->silence_ns = ctl->wait_ns;
		ctl->options &= ~(unsigned)OPTION_TIMEOUT;
	}
	return STATUS_DONE;
}

/* Find the command that the operands begin with. */
static enum exit_status choose_command(struct dsoctl *ctl)
{
	const struct command *command;
	unsigned used;

	if (ctl->operand_count == 0)
		return wrong_usage(ctl, "a command is missing");
	command = command_find(ctl->operands, ctl->operand_count, &used);
	if (!command && ctl->operand_count == 1 && commands_print_family(NULL, ctl->operands[0]))
		return wrong_usage(ctl, "a word is missing behind %s: dsoctl help %s lists them",
				   ctl->operands[0], ctl->operands[0]);
	if (!command)
		return wrong_usage(ctl, "there is no command %s%s%s", ctl->operands[0],
				   ctl->operand_count > 1 ? " " : "",
				   ctl->operand_count > 1 ? ctl->operands[1] : "");
	ctl->command = command;
	ctl->operands += used;
	ctl->operand_count -= used;
	if (ctl->operand_count < command->operands_min)
		return wrong_usage(ctl, "an argument is missing");
	if (ctl->operand_count > command->operands_max)
		return wrong_usage(ctl, "too many arguments");
	if (ctl->operand_count && !*ctl->operands[0] && command_has_name(command))
		return wrong_usage(ctl, "%s: the name is empty, and has 1 to 255 bytes",
				   command->name);
	if (place_timeout(ctl))
		return STATUS_USAGE;
	if (ctl->json && command->options & OPTION_PLAIN)
		return wrong_usage(ctl, "%s has no JSON", command->name);
	if (ctl->options & ~command->options)
		return wrong_usage(ctl, "%s does not have that option", command->name);
	return STATUS_DONE;
}

/* The options, and the words in their order as ctl->operands. */
static void parse(struct dsoctl *ctl, int argc, char **argv)
{
	char **typed = calloc((size_t)argc + 1, sizeof *typed);
	struct parsing parsing = {ctl, typed};

	ctl->words = ctl->operands = calloc((size_t)argc + 1, sizeof *ctl->words);
	if (!typed || !ctl->words)
		exit(fail_because("out of memory"));
	memcpy(typed, argv, (size_t)argc * sizeof *typed);
	mark_numbers(argc, argv);
	name_figures(argc, argv);
	argp_err_exit_status = STATUS_USAGE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER | ARGP_NO_HELP, NULL, &parsing))
		exit(STATUS_USAGE);
	free(typed);
}

enum exit_status arguments_parse(struct dsoctl *ctl, int argc, char **argv)
{
	parse(ctl, argc, argv);
	return ctl->wants_help ? dsoctl_help(ctl) : choose_command(ctl);
}
