/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"
#include "tools/parse.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Visible, for libc to find it. */
__attribute__((visibility("default"))) const char *argp_program_version =
	"dsoctl (dso-rdma) " DSO_VERSION;

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
	KEY_FIGURES
};

const struct argp_option option_table[] = {
	{NULL, 0, NULL, 0, "Options of every command:", 1},
	{"url", KEY_URL, "URL", 0,
	 "where storaged is: dso://HOST[:PORT][/NAMESPACE], dso+unix://PATH or embedded:[NAME] "
	 "(DSO_URL; its unix socket, then dso://127.0.0.1:7471)"},
	{"transport", KEY_TRANSPORT, "NAME", 0,
	 "auto, shm, verbs, roce or tcp (DSO_TRANSPORT; auto)"},
	{"silence", KEY_SILENCE, "TIME", 0,
	 "silence after which storaged is given up, as in 2s or 300ms; a bare number is seconds "
	 "(DSO_TIMEOUT_MS; 3s)"},
	{"timeout", KEY_TIMEOUT, "TIME", 0,
	 "the longest wait for others, as in 10s, 500ms, 2m or 0: lock, semaphore run, barrier "
	 "wait, "
	 "latch wait, future get, once (for ever); elsewhere it is --silence"},
	{"json", KEY_JSON, NULL, 0, "print JSON: one object, or for ls one a line"},
	{NULL, 0, NULL, 0, "Options of single commands:", 2},
	{"count", 'n', "N", 0,
	 "ping: round trips to make (10); barrier wait: how many wait for each other; semaphore "
	 "run: permits to take (1)"},
	{"long", 'l', NULL, 0, "ls: with type, generation, size, and sessions that have it open"},
	{"held", KEY_HELD, NULL, 0,
	 "ls: who holds what, since when: locks, permits, onces under way, promised futures"},
	{"force", KEY_FORCE, NULL, 0, "unlock: although another has it"},
	{"permits", KEY_PERMITS, "N", 0, "semaphore run: permits of a new semaphore"},
	{"initial", KEY_INITIAL, "N", 0, "counter open: the value at creation (0)"},
	{"figures", KEY_FIGURES, NULL, OPTION_HIDDEN, NULL}, /* see name_figures */
	{"stripes", KEY_STRIPES, "N", 0,
	 "counter open: words that additions spread over, to 64 (1)"},
	{NULL, 0, NULL, 0, "Other options:", -1},
	{NULL},
};

static const char after_options[] =
	"Exit status:\n"
	"  0    done\n"
	"  1    it failed: stderr says what, on what, and why; counter cas: not swapped\n"
	"  2    the command line is wrong\n"
	"  124  timed out\n"
	"lock, semaphore run and once end with the status of their command: its own,\n"
	"128+N when signal N ended it, 126 or 127 when it could not be started. Signals\n"
	"that dsoctl gets are passed on to it. When the session is lost, and so what the\n"
	"command runs under, it gets SIGTERM, after 5 s SIGKILL, and the status is 1.\n"
	"\n"
	"Environment:\n"
	"  DSO_URL         the URL, where --url is not given\n"
	"  DSO_TRANSPORT   auto, shm, verbs, roce, tcp, where --transport is not given\n"
	"  DSO_TIMEOUT_MS  the silence in ms, where --silence is not given\n"
	"  DSO_POLL        how to wait for an answer: adaptive, busy, block\n"
	"  DSO_IO          transport tcp: auto, io_uring, poll\n"
	"  DSO_DEVICE      transport verbs: the RDMA device, as ibv_devices shows it\n"
	"\n"
	"Environment of the command that lock runs:\n"
	"  DSO_LOCK_TOKEN       the fencing token: larger than every holder's before\n"
	"  DSO_LOCK_OWNER_DIED  1 when the holder before ended without unlocking\n"
	"\n"
	"Examples:\n"
	"  $ dsoctl doctor\n"
	"  $ dsoctl counter add hits\n"
	"  $ dsoctl register set conf < conf.json\n"
	"  $ dsoctl ls --json | jq -r .name\n"
	"  $ dsoctl lock nightly --timeout 10s -- ./backup.sh\n"
	"  $ dsoctl ls --held\n"
	"  $ dsoctl barrier wait phase1 -n 8\n"
	"  $ dsoctl --transport roce stat --transport\n"
	"  $ eval \"$(dsoctl completion bash)\"\n";

static const char doc[] = "Look at and change the shared objects of a storaged.\v";

/*
 * argp must not take "-5" for an option, it is a number: such arguments carry this mark in front
 * while argp has them.
 */
#define NUMBER_MARK '\x1f'

static char *unmarked(char *argument)
{
	return argument && *argument == NUMBER_MARK ? argument + 1 : argument;
}

static bool is_negative_number(const char *argument)
{
	return argument[0] == '-' && isdigit((unsigned char)argument[1]);
}

/* Give negative numbers in front of "--" their mark. Lives as long as the process. */
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

/* --transport without a name behind it asks stat for the transport's figures. */
static void name_figures(int argc, char **argv)
{
	static char figures[] = "--figures";

	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--transport") && (i + 1 == argc || argv[i + 1][0] == '-'))
			argv[i] = figures;
}

static void add_operand(struct dsoctl *ctl, char *argument)
{
	ctl->operands[ctl->operand_count++] = unmarked(argument);
}

/* A time to wait for others: parse_duration()'s and 0, and longer ones in minutes, hours and days. */
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
	struct dsoctl *ctl = state->input;

	argument = unmarked(argument);
	switch (key) {
	case KEY_URL:
		ctl->url = argument;
		return 0;
	case KEY_TRANSPORT:
		ctl->transport = argument;
		return 0;
	case KEY_SILENCE:
		if (parse_duration(argument, DSO_SECOND, &ctl->silence_ns))
			argp_error(state, "--silence %s is no time such as 2s or 300ms", argument);
		return 0;
	case KEY_TIMEOUT:
		ctl->options |= OPTION_TIMEOUT;
		if (parse_wait(argument, &ctl->wait_ns))
			argp_error(state, "--timeout %s is no time such as 10s, 500ms or 2m",
				   argument);
		return 0;
	case KEY_JSON:
		ctl->json = true;
		return 0;
	case 'n':
		ctl->options |= OPTION_COUNT;
		if (parse_number(argument, 1, 1000000, &ctl->count))
			argp_error(state, "--count %s is no number from 1 to 1000000", argument);
		return 0;
	case 'l':
		ctl->options |= OPTION_LONG;
		return 0;
	case KEY_INITIAL:
		ctl->options |= OPTION_INITIAL;
		if (parse_int64(argument, &ctl->initial))
			argp_error(state, "--initial %s is no 64-bit number", argument);
		return 0;
	case KEY_STRIPES:
		ctl->options |= OPTION_STRIPES;
		if (parse_number(argument, 1, DSO_COUNTER_STRIPES_MAX, &ctl->stripes))
			argp_error(state, "--stripes %s is no number from 1 to %d", argument,
				   DSO_COUNTER_STRIPES_MAX);
		return 0;
	case KEY_PERMITS:
		ctl->options |= OPTION_PERMITS;
		if (parse_number(argument, 1, DSO_SEMAPHORE_PERMITS_MAX, &ctl->permits))
			argp_error(state, "--permits %s is no number from 1 to %d", argument,
				   DSO_SEMAPHORE_PERMITS_MAX);
		return 0;
	case KEY_HELD:
		ctl->options |= OPTION_HELD;
		return 0;
	case KEY_FORCE:
		ctl->options |= OPTION_FORCE;
		return 0;
	case KEY_FIGURES:
		ctl->options |= OPTION_FIGURES;
		return 0;
	case ARGP_KEY_ARG:
		add_operand(ctl, argument);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static char *filter_help(int key, const char *text, void *input)
{
	(void)input;
	if (key == ARGP_KEY_HELP_PRE_DOC) {
		char *list = commands_help(), *whole;
		int bytes = list ? asprintf(&whole, "%s\n%s", text, list) : -1;

		free(list);
		return bytes < 0 ? NULL : whole;
	}
	if (key == ARGP_KEY_HELP_POST_DOC)
		return strdup(after_options);
	return (char *)(uintptr_t)text;
}

static const struct argp argp = {
	option_table, parse_option, "COMMAND [ARGUMENT...]", doc, NULL, filter_help, NULL,
};

void dsoctl_help(void)
{
	/* argp reads the name only. */
	argp_help(&argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, (char[]){"dsoctl"});
}

struct dso_options dsoctl_options(const struct dsoctl *ctl)
{
	return (struct dso_options){.transport = ctl->transport, .timeout = ctl->silence_ns};
}

/*
 * --timeout is for waiting where the command does that, else for storaged, which it then has to wait for.
 */
static enum exit_status place_timeout(struct dsoctl *ctl)
{
	bool waits = ctl->command->options & OPTION_TIMEOUT;

	if (ctl->options & OPTION_TIMEOUT && !waits) {
		if (ctl->wait_ns < 1 || ctl->wait_ns > 3600 * DSO_SECOND)
			return wrong_usage(ctl, "--timeout is above 0 and up to an hour here");
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
	if (place_timeout(ctl))
		return STATUS_USAGE;
	if (ctl->options & ~command->options)
		return wrong_usage(ctl, "%s does not have that option", command->name);
	return STATUS_DONE;
}

static enum exit_status run_command(struct dsoctl *ctl)
{
	struct dso_options open_options = dsoctl_options(ctl);
	enum exit_status status;

	if (!ctl->command->offline) {
		int r = dso_open(ctl->url, &open_options, &ctl->session);

		if (r)
			return fail(ctl, r);
	}
	status = ctl->command->run(ctl);
	dso_close(ctl->session);
	if ((fflush(stdout) || ferror(stdout)) && status == STATUS_DONE)
		status = fail_because("cannot write to stdout: %s", strerror(errno));
	return status;
}

/* As it would have ended dsoctl at once, for a shell to see. */
static void end_by(int signal_number)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	raise(signal_number);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int main(int argc, char **argv)
{
	struct dsoctl ctl = {.count = 10,
			     .wait_ns = DSO_FOREVER,
			     .operands = calloc((size_t)argc + 1, sizeof *ctl.operands)};
	char **operands = ctl.operands;
	enum exit_status status;

	if (!operands)
		return fail_because("out of memory");
	argp_err_exit_status = STATUS_USAGE;
	mark_numbers(argc, argv);
	name_figures(argc, argv);
	if (argp_parse(&argp, argc, argv, 0, NULL, &ctl))
		return STATUS_USAGE;
	status = choose_command(&ctl);
	if (status == STATUS_DONE)
		status = run_command(&ctl);
	free(operands);
	if (ctl.signal)
		end_by(ctl.signal);
	return status;
}
