/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command commands[] = {
	{"ping", "[-n N]", "measure the round trip to storaged", OPTION_COUNT, 0, 0, false,
	 run_ping},
	{"doctor", "", "say what is used, why, and what is missing", 0, 0, 0, true, run_doctor},
	{"ls", "[-l | --held]", "list the objects, or who holds what, since when",
	 OPTION_LONG | OPTION_HELD, 0, 0, false, run_ls},
	{"stat", "[NAME | --transport]", "describe an object, storaged, or packets", OPTION_FIGURES,
	 0, 1, false, run_stat},
	{"rm", "NAME...", "delete objects", 0, 1, UINT_MAX, false, run_rm},
	{"counter open", "NAME [--initial N] [--stripes N]", "make a counter where there is none",
	 OPTION_INITIAL | OPTION_STRIPES, 1, 1, false, run_counter_open},
	{"counter get", "NAME", "print a counter's value", 0, 1, 1, false, run_counter_get},
	{"counter set", "NAME VALUE", "give a counter a value", 0, 2, 2, false, run_counter_set},
	{"counter add", "NAME [DELTA]", "add DELTA or 1, print the new value", 0, 1, 2, false,
	 run_counter_add},
	{"counter cas", "NAME EXPECTED VALUE", "set if EXPECTED, print what it held", 0, 3, 3,
	 false, run_counter_cas},
	{"register get", "NAME", "write a register's bytes to stdout", 0, 1, 1, false,
	 run_register_get},
	{"register set", "NAME", "set a register to the bytes of stdin", 0, 1, 1, false,
	 run_register_set},
	{"lock", "NAME [--timeout TIME] -- COMMAND...", "run a command while a mutex is locked",
	 OPTION_TIMEOUT, 2, UINT_MAX, false, run_lock},
	{"unlock", "--force NAME", "take a mutex from its holder, who may be at it still",
	 OPTION_FORCE, 1, 1, false, run_unlock},
	{"semaphore run", "NAME [--permits N] [--count K] [--timeout TIME] -- COMMAND...",
	 "run a command that holds K (1) of N permits",
	 OPTION_PERMITS | OPTION_COUNT | OPTION_TIMEOUT, 2, UINT_MAX, false, run_semaphore_run},
	{"semaphore available", "NAME", "print how many permits are free", 0, 1, 1, false,
	 run_semaphore_available},
	{"barrier wait", "NAME [-n PARTIES] [--timeout TIME]",
	 "wait for the others; the last prints \"last\"", OPTION_COUNT | OPTION_TIMEOUT, 1, 1,
	 false, run_barrier_wait},
	{"barrier reset", "NAME", "make a barrier as new", 0, 1, 1, false, run_barrier_reset},
	{"barrier stat", "NAME", "print its parties, and how many wait", 0, 1, 1, false,
	 run_barrier_stat},
	{"latch open", "NAME COUNT", "make a latch where there is none", 0, 2, 2, false,
	 run_latch_open},
	{"latch wait", "NAME [--timeout TIME]", "wait until a latch's count is 0", OPTION_TIMEOUT,
	 1, 1, false, run_latch_wait},
	{"latch count-down", "NAME [N]", "take N or 1 off, print what is left", 0, 1, 2, false,
	 run_latch_count_down},
	{"latch get", "NAME", "print a latch's count", 0, 1, 1, false, run_latch_get},
	{"future set", "NAME", "set a future to the bytes of stdin", 0, 1, 1, false,
	 run_future_set},
	{"future error", "NAME SENTENCE", "set a future to an error", 0, 2, 2, false,
	 run_future_error},
	{"future get", "NAME [--timeout TIME]", "wait for a future, write it to stdout",
	 OPTION_TIMEOUT, 1, 1, false, run_future_get},
	{"once", "NAME [--timeout TIME] -- COMMAND...", "run a command until it has succeeded once",
	 OPTION_TIMEOUT, 2, UINT_MAX, false, run_once},
	{"completion bash", "", "print the completion script of bash", 0, 0, 0, true,
	 run_completion},
	{"version", "", "print the versions of program and library", 0, 0, 0, true, run_version},
	{"help", "[COMMAND]", "explain dsoctl, or a command", 0, 0, 2, true, run_help},
	{NULL},
};

const struct command *command_find(char *const *words, unsigned count, unsigned *ret_used)
{
	for (const struct command *command = commands; command->name; command++) {
		const char *second = strchr(command->name, ' ');
		size_t first_bytes = strcspn(command->name, " ");
		unsigned used = second ? 2 : 1;

		if (count < used || strlen(words[0]) != first_bytes ||
		    memcmp(words[0], command->name, first_bytes) ||
		    (second && strcmp(words[1], second + 1)))
			continue;
		*ret_used = used;
		return command;
	}
	return NULL;
}

static void print_command(FILE *to, const struct command *command)
{
	char usage[80];

	snprintf(usage, sizeof usage, "%s %s", command->name, command->arguments);
	if (strlen(usage) <= 31)
		fprintf(to, "  %-31s  %s\n", usage, command->help);
	else
		fprintf(to, "  %s\n  %-31s  %s\n", usage, "", command->help);
}

char *commands_help(void)
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

enum exit_status run_help(struct dsoctl *ctl)
{
	const struct command *command;
	unsigned used;

	if (ctl->operand_count == 0) {
		dsoctl_help();
		return STATUS_DONE;
	}
	command = command_find(ctl->operands, ctl->operand_count, &used);
	if (command && used == ctl->operand_count) {
		printf("Usage: dsoctl %s %s\n%s\n", command->name, command->arguments,
		       command->help);
		return STATUS_DONE;
	}
	if (ctl->operand_count == 1 && commands_print_family(stdout, ctl->operands[0]))
		return STATUS_DONE;
	return wrong_usage(ctl, "there is no command %s %s", ctl->operands[0],
			   ctl->operand_count > 1 ? ctl->operands[1] : "");
}

enum exit_status run_version(struct dsoctl *ctl)
{
	if (ctl->json)
		return print_json(
			json_pack("{s:s, s:s}", "dsoctl", DSO_VERSION, "library", dso_version()));
	printf("dsoctl %s (libdso-rdma %s)\n", DSO_VERSION, dso_version());
	return STATUS_DONE;
}
