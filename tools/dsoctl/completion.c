/* SPDX-License-Identifier: Apache-2.0 */
/* The completion script of bash, from the table of commands. */
#include "tools/dsoctl/dsoctl.h"

#include <stdio.h>
#include <string.h>

/* First words, each once: the commands of a family stand together in the table. */
static void print_first_words(void)
{
	const char *last = "";

	for (const struct command *command = commands; command->name; command++) {
		size_t bytes = strcspn(command->name, " ");

		if (strncmp(last, command->name, bytes) || last[bytes] != ' ')
			printf("%s%.*s", *last ? " " : "", (int)bytes, command->name);
		last = command->name;
	}
}

/* "counter) words='get set' ;;" for each first word that has second ones. */
static void print_second_words(void)
{
	const char *last = "";

	for (const struct command *command = commands; command->name; command++) {
		const char *second = strchr(command->name, ' ');
		size_t bytes = strcspn(command->name, " ");

		if (second && (strncmp(last, command->name, bytes) || last[bytes] != ' '))
			printf("\t%.*s) words='%s", (int)bytes, command->name, second + 1);
		else if (second)
			printf(" %s", second + 1);
		last = command->name;
		if (second &&
		    strncmp(command[1].name ? command[1].name : "", command->name, bytes + 1))
			printf("' ;;\n");
	}
}

/* "'counter get'|stat" for the commands that take names. */
static void print_commands_with_names(void)
{
	const char *separator = "";

	for (const struct command *command = commands; command->name; command++) {
		if (!command_has_name(command))
			continue;
		printf("%s'%s'", separator, command->name);
		separator = "|";
	}
}

/* "--url|--count|-n" of the options that take an argument. */
static void print_options_with_argument(void)
{
	const char *separator = "";

	for (const struct argp_option *option = option_table; option->name || option->doc;
	     option++) {
		if (!option->arg || option->flags & OPTION_ARG_OPTIONAL)
			continue;
		printf("%s--%s", separator, option->name);
		if (option->key < 0x80)
			printf("|-%c", option->key);
		separator = "|";
	}
}

static void print_options(void)
{
	const char *separator = "";

	for (const struct argp_option *option = option_table; option->name || option->doc;
	     option++) {
		if (!option->name || option->flags & OPTION_HIDDEN)
			continue;
		printf("%s--%s", separator, option->name);
		separator = " ";
	}
}

enum exit_status run_completion(struct dsoctl *ctl)
{
	(void)ctl;
	printf("_dsoctl()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tlocal words= i skip= given=()\n\tCOMPREPLY=()\n"
	       "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	       "\t\tif [[ $skip ]]; then skip=; continue; fi\n"
	       "\t\tcase ${COMP_WORDS[i]} in\n"
	       /* A command follows, whose arguments may be files. */
	       "\t\t--)\n"
	       "\t\t\t((i + 1 < COMP_CWORD)) || COMPREPLY=($(compgen -c -- \"$cur\"))\n"
	       "\t\t\tcompopt -o default 2>/dev/null\n"
	       "\t\t\treturn ;;\n"
	       "\t\t");
	print_options_with_argument();
	printf(") skip=1 ;;\n"
	       "\t\t-*|:|//*) ;;\n"
	       "\t\t*) given+=(\"${COMP_WORDS[i]}\") ;;\n"
	       "\t\tesac\n"
	       "\tdone\n"
	       "\tcase $prev in\n"
	       "\t--transport) COMPREPLY=($(compgen -W 'auto shm verbs roce tcp' -- \"$cur\")); "
	       "return "
	       ";;\n"
	       "\t");
	print_options_with_argument();
	printf(") return ;;\n"
	       "\tesac\n"
	       "\tif [[ $cur == -* ]]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W '");
	print_options();
	printf("' -- \"$cur\"))\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tif [[ ${given[0]-} == help ]]; then given=(\"${given[@]:1}\"); fi\n"
	       "\tcase ${given[*]-} in\n"
	       "\t'') words='");
	print_first_words();
	printf("' ;;\n");
	print_second_words();
	printf("\t");
	print_commands_with_names();
	/* Not compgen: it would expand what stands in a name. */
	printf(")\n"
	       "\t\twhile IFS= read -r i; do\n"
	       "\t\t\t[[ $i == \"$cur\"* ]] && COMPREPLY+=(\"$(printf %%q \"$i\")\")\n"
	       "\t\tdone < <(dsoctl ls 2>/dev/null)\n"
	       "\t\treturn ;;\n"
	       "\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	       "}\n"
	       "complete -F _dsoctl dsoctl\n");
	return STATUS_DONE;
}
