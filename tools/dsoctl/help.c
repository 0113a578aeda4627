/* SPDX-License-Identifier: Apache-2.0 */
/* The help of dsoctl: as a whole, and a page for each command. */
#include "tools/dsoctl/dsoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 64

#define HELP_COLUMN 35 /* where what a command does begins */
#define HELP_MARGIN 78

/* Print @text from HELP_COLUMN on, broken between words at the margin that argp breaks lines at: a
 * line that argp breaks goes on at column 0. */
static void print_wrapped(FILE *to, const char *text)
{
	size_t column = HELP_COLUMN;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + word > HELP_MARGIN) {
			fprintf(to, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			putc(' ', to);
			column++;
		}
		fwrite(text, 1, word, to);
		column += word;
		text += word;
		text += strspn(text, " ");
	}
	putc('\n', to);
}

static void print_command(FILE *to, const struct command *command)
{
	char usage[80];

	snprintf(usage, sizeof usage, "%s %s", command->name, command->arguments);
	if (strlen(usage) <= HELP_COLUMN - 4)
		fprintf(to, "  %-*s", HELP_COLUMN - 2, usage);
	else
		fprintf(to, "  %s\n%*s", usage, HELP_COLUMN, "");
	print_wrapped(to, command->help);
}

/* The list of commands for --help, to be freed. */
static char *commands_help(void)
{
	char *text = NULL;
	size_t bytes;
	FILE *to = open_memstream(&text, &bytes);

	if (!to)
		return NULL;
	fprintf(to, "Commands:\n");
	for (const struct command *command = commands; command->name; command++)
		print_command(to, command);
	fclose(to);
	return text;
}

unsigned commands_print_family(FILE *to, const char *word)
{
	size_t bytes = strlen(word);
	unsigned count = 0;

	for (const struct command *command = commands; command->name; command++) {
		if (strncmp(command->name, word, bytes) || !strchr(" ", command->name[bytes]))
			continue;
		if (to)
			print_command(to, command);
		count++;
	}
	return count;
}

static const char after_options[] =
	"Exit status:\n"
	"  0    done\n"
	"  1    it failed: stderr says what, on what, and why; counter cas: not\n"
	"       swapped; map get, map contains, set contains: it has no such key;\n"
	"       fsck: damage was found\n"
	"  2    the command line is wrong\n"
	"  124  --timeout is over, and others still hold it or have not come; where\n"
	"       storaged does not answer within --silence the status is 1; queue pop:\n"
	"       the queue is empty; queue push: it is full\n"
	"  125  queue pop: the queue is empty and shut down, no item comes any more\n"
	"lock, semaphore run, once and queue pop --lease end with the status of their\n"
	"command: its own, 128+N when signal N ended it, 126 or 127 when it could not\n"
	"be started. What signals, daemons and a lost session do to it: dsoctl lock\n"
	"--help. run ends with the status of the first rank that failed.\n"
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
	"  DSO_LOCK_TOKEN       the fencing token: larger than every earlier one\n"
	"  DSO_LOCK_OWNER_DIED  1 when the holder before ended without unlocking\n"
	"\n"
	"Environment of the ranks that run starts, beside DSO_URL:\n"
	"  DSO_RANK     which one it is, from 0\n"
	"  DSO_COUNT    of how many\n"
	"  DSO_RUN      the name of the run, which begins its objects: run/RUN/\n"
	"  DSO_ATTEMPT  how often it was started, this time included\n"
	"\n"
	"Environment of the command that a lease runs:\n"
	"  DSO_QUEUE_DELIVERIES  how often the item was handed out, this time included\n"
	"\n"
	"Examples:\n"
	"  $ dsoctl doctor\n"
	"  $ dsoctl counter add hits\n"
	"  $ dsoctl register set conf < conf.json\n"
	"  $ dsoctl ls --json | jq -r .name\n"
	"  $ dsoctl lock backup --timeout 10s -- ./backup.sh\n"
	"  $ dsoctl once nightly-$(date +%F) -- ./nightly.sh\n"
	"  $ dsoctl ls --held\n"
	"  $ dsoctl barrier wait phase1 -n 8\n"
	"  $ ls *.png | dsoctl queue push pictures --lines\n"
	"  $ dsoctl queue pop pictures --wait --lease -- ./convert.sh\n"
	"  $ dsoctl run -n 8 --restart -- ./simulate\n"
	"  $ dsoctl map put users ann '{\"id\": 1}'\n"
	"  $ dsoctl map merge words whale sum 1\n"
	"  $ dsoctl --transport roce stat --transport\n"
	"  $ eval \"$(dsoctl completion bash)\"\n";

static const char doc[] = "Look at and change the shared objects of a storaged.\v";

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

static const struct argp whole = {
	option_table, NULL, "COMMAND [ARGUMENT...]", doc, NULL, filter_help, NULL,
};

static void print_help(const struct argp *argp, const char *name)
{
	char text[64];

	/* argp reads the name only. */
	snprintf(text, sizeof text, "%s", name);
	argp_help(argp, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK, text);
}

/* ---- a command's page ---- */

/* Copy the options of the table that @command takes, and the headings that have some below them. */
static void copy_options(struct argp_option *to, const struct command *command)
{
	bool heading_stands = false;

	for (const struct argp_option *option = option_table; option->name || option->doc;
	     option++) {
		unsigned bit = option_bit(option->key);

		if ((bit && !(bit & command->options)) || option->flags & OPTION_HIDDEN)
			continue;
		if (!option->name && heading_stands)
			to--;
		heading_stands = !option->name;
		*to++ = *option;
	}
	*to = (struct argp_option){0};
}

static enum exit_status print_page(const struct command *command)
{
	struct argp_option options[OPTIONS_MAX];
	struct argp page = {.options = options, .args_doc = command->arguments};
	char name[64], *doc_of_page;

	if (asprintf(&doc_of_page, "dsoctl %s: %s.\v%s", command->name, command->help,
		     command->details ? command->details : "") < 0)
		return fail_because("out of memory");
	copy_options(options, command);
	snprintf(name, sizeof name, "dsoctl %s", command->name);
	page.doc = doc_of_page;
	print_help(&page, name);
	free(doc_of_page);
	return STATUS_DONE;
}

/* Print the page of the command that @words begin with; @exactly: no word may follow. */
static enum exit_status explain(struct dsoctl *ctl, bool exactly)
{
	char **words = ctl->operands;
	unsigned used, count = ctl->operand_count;
	const struct command *command = command_find(words, count, &used);

	if (count == 0) {
		print_help(&whole, "dsoctl");
		return STATUS_DONE;
	}
	if (command && (used == count || !exactly))
		return print_page(command);
	if (count == 1 && commands_print_family(stdout, words[0]))
		return STATUS_DONE;
	ctl->command = NULL;
	return wrong_usage(ctl, "help knows no command %s%s%s", words[0], count > 1 ? " " : "",
			   count > 1 ? words[1] : "");
}

enum exit_status dsoctl_help(struct dsoctl *ctl)
{
	return explain(ctl, false);
}

enum exit_status run_help(struct dsoctl *ctl)
{
	return explain(ctl, true);
}
