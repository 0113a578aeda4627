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
	{"ls", "[-l]", "list the objects, by name", OPTION_LONG, 0, 0, false, run_ls},
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
