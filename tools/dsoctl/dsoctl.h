/* SPDX-License-Identifier: Apache-2.0 */
/* dsoctl: a table of commands, each a function in the file of what it works on. */
#ifndef TOOLS_DSOCTL_DSOCTL_H
#define TOOLS_DSOCTL_DSOCTL_H

#include "tools/printable.h"

#include <dso/dso.h>

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum exit_status {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_TIMED_OUT = 124, /* what others have, or are to do, was waited for in vain */
};

/* Options that only some commands have. */
enum command_option {
	OPTION_COUNT = 1,
	OPTION_LONG = 2,
	OPTION_INITIAL = 4,
	OPTION_STRIPES = 8,
	OPTION_FIGURES = 16,
	OPTION_TIMEOUT = 32, /* it waits for others; elsewhere --timeout is --silence */
	OPTION_PERMITS = 64,
	OPTION_HELD = 128,
	OPTION_FORCE = 256,
	OPTION_PREFIX = 512,
	OPTION_PLAIN = 1024, /* no option: it has no JSON */
};

struct dsoctl;

struct command {
	const char *name; /* one word or two */
	const char *arguments;
	const char *help;
	unsigned options; /* of enum command_option */
	unsigned operands_min, operands_max;
	bool offline; /* runs without a session */
	enum exit_status (*run)(struct dsoctl *ctl);
	const char *details; /* for its page; NULL: there is no more to say */
};

struct dsoctl {
	const char *url; /* NULL: not given */
	const char *transport;
	int64_t silence_ns; /* of storaged; 0: not given */
	int64_t wait_ns;    /* for others; DSO_FOREVER: not given */
	int64_t begun_ns;   /* when dsoctl was started */
	bool json;
	unsigned options; /* given, of enum command_option */
	uint64_t count;
	int64_t initial;
	uint64_t stripes;
	uint64_t permits;
	const char *prefix;
	bool wants_help;
	const struct command *command;
	char **words;    /* all operands; freed by main() */
	char **operands; /* of them, those behind the command's name */
	unsigned operand_count;
	struct dso_session *session;
	int signal; /* that ended it, and that main() is to end by */
};

/* ---- commands.c ---- */

extern const struct command commands[]; /* ends with a NULL name */

/* The command whose words @words (of @count) begin with; *ret_used is how many they are. Or
 * NULL. */
const struct command *command_find(char *const *words, unsigned count, unsigned *ret_used);

/* Whether it runs another command, whose words are all those behind a name. */
bool command_runs_another(const struct command *command);

/* ---- help.c ---- */

/* Print the commands of that first word to @to, unless it is NULL. Returns how many. */
unsigned commands_print_family(FILE *to, const char *word);

/* Print how to use dsoctl, or the command that ctl->operands begin with. */
enum exit_status dsoctl_help(struct dsoctl *ctl);

/* ---- arguments.c ---- */

/* The options of the command line, as argp has them. */
extern const struct argp_option option_table[];

/* The option of that key of the table, of enum command_option; 0: every command has it. */
unsigned option_bit(int key);

/*
 * Take options, operands and command from the command line. Other than STATUS_DONE: it was wrong,
 * and that was said. STATUS_DONE without a command: that was all.
 */
enum exit_status arguments_parse(struct dsoctl *ctl, int argc, char **argv);

/* ---- times.c ---- */

/* Of the monotonic clock. */
int64_t now_ns(void);

/* The options of the command line as dso_open() wants them. */
struct dso_options dsoctl_options(const struct dsoctl *ctl);

/* What is left of --timeout, which counts from the start of dsoctl. */
int64_t time_left(const struct dsoctl *ctl);

/* ---- prepare.c ---- */

/* Before anything else: stderr is buffered, no descriptor below 3 is free, and process 1 obeys
 * signals. */
void prepare(void);

/* ---- output.c ---- */

/*
 * Sentences on stderr are kept until dsoctl holds nothing any more, however slowly they are read.
 * The texts of others in them are escaped here, and not before.
 */

/* Say on stderr that something failed with @error, for which the session has the sentence. */
enum exit_status fail(const struct dsoctl *ctl, int error);

/*
 * The same of a wait for others. Not in time is STATUS_TIMED_OUT, and whoever holds the object that
 * the first operand names is said.
 */
enum exit_status fail_wait(const struct dsoctl *ctl, int error);

/* The same with a sentence of our own. */
__attribute__((format(printf, 1, 2))) enum exit_status fail_because(const char *format, ...);

/* Say on stderr that there is no @type of the first operand's name, and that @command makes one. */
enum exit_status fail_missing(const struct dsoctl *ctl, const char *type, const char *command);

/* Say on stderr what is wrong with the command line. */
__attribute__((format(printf, 2, 3))) enum exit_status wrong_usage(const struct dsoctl *ctl,
								   const char *format, ...);

/* Print @object on a line, and free it. NULL is taken for a lack of memory. */
enum exit_status print_json(json_t *object);

/* With --json print @object, else nothing; free it. For commands that have nothing to tell but that
 * it is done. */
enum exit_status print_done(const struct dsoctl *ctl, json_t *object);

/*
 * The same behind what a command has printed that was run, with its status as a member. Returns
 * @status, or why that could not be printed.
 */
enum exit_status print_run(const struct dsoctl *ctl, enum exit_status status, json_t *object);

/* Print the members of @object, one a line, and free it. NULL is taken for a lack of memory. */
enum exit_status print_members(json_t *object);

/* @name for a terminal; see tools/printable.h. */
#define PRINTABLE_BYTES PRINTABLE_BYTES_MAX(DSO_NAME_BYTES_MAX)
const char *printable(const char *name, char text[static PRINTABLE_BYTES]);

/* @text for JSON, which holds no bytes that are not UTF-8; see tools/printable.h. Every text of
 * others is one. */
json_t *json_text(const char *text);

/* A duration for people: "12.3 us". */
#define DURATION_BYTES 32
const char *duration(int64_t ns, char text[static DURATION_BYTES]);

/* A number of bytes for people: "64 MiB". */
const char *size(uint64_t bytes, char text[static DURATION_BYTES]);

/* ---- bytes.c ---- */

/* Add the length of @bytes and themselves: text as a string, others in base64. */
void json_set_bytes(json_t *object, const uint8_t *bytes, size_t count);

/* Write @bytes to stdout. */
enum exit_status write_bytes(const uint8_t *bytes, size_t count);

/*
 * Read stdin to its end, or to a byte more than @bytes_max: that shows that there is too much. To
 * be freed; NULL after saying why not.
 */
uint8_t *read_input(size_t bytes_max, size_t *ret_length);

/* ---- held.c ---- */

/* Every hold, to be freed with holds_free() in any case. */
struct holds {
	struct dso_hold *entries;
	size_t count, room;
};
int holds_read(const struct dsoctl *ctl, struct holds *ret_holds);
void holds_free(struct holds *holds);

/* The next of @holds behind @last (NULL: the first) of the object called @name, or NULL. */
const struct dso_hold *holds_next(const struct holds *holds, const char *name,
				  const struct dso_hold *last);

/* "held by pid 4711 for 12s", for the end of a sentence; what is in it is others' still. */
#define HOLD_TEXT_BYTES (sizeof(((struct dso_hold *)0)->who) + 96)
const char *hold_text(const struct dso_hold *hold, char text[static HOLD_TEXT_BYTES]);

/* Print who holds what, since when. */
enum exit_status print_held(const struct dsoctl *ctl);

/* ---- the commands ---- */

enum exit_status run_ping(struct dsoctl *ctl);
enum exit_status run_doctor(struct dsoctl *ctl);
enum exit_status run_ls(struct dsoctl *ctl);
enum exit_status run_stat(struct dsoctl *ctl);
enum exit_status run_rm(struct dsoctl *ctl);
enum exit_status run_counter_open(struct dsoctl *ctl);
enum exit_status run_counter_get(struct dsoctl *ctl);
enum exit_status run_counter_set(struct dsoctl *ctl);
enum exit_status run_counter_add(struct dsoctl *ctl);
enum exit_status run_counter_cas(struct dsoctl *ctl);
enum exit_status run_register_get(struct dsoctl *ctl);
enum exit_status run_register_set(struct dsoctl *ctl);
enum exit_status run_lock(struct dsoctl *ctl);
enum exit_status run_unlock(struct dsoctl *ctl);
enum exit_status run_semaphore_run(struct dsoctl *ctl);
enum exit_status run_semaphore_available(struct dsoctl *ctl);
enum exit_status run_barrier_wait(struct dsoctl *ctl);
enum exit_status run_barrier_reset(struct dsoctl *ctl);
enum exit_status run_barrier_stat(struct dsoctl *ctl);
enum exit_status run_latch_open(struct dsoctl *ctl);
enum exit_status run_latch_count_down(struct dsoctl *ctl);
enum exit_status run_latch_wait(struct dsoctl *ctl);
enum exit_status run_latch_get(struct dsoctl *ctl);
enum exit_status run_future_set(struct dsoctl *ctl);
enum exit_status run_future_error(struct dsoctl *ctl);
enum exit_status run_future_get(struct dsoctl *ctl);
enum exit_status run_once(struct dsoctl *ctl);
enum exit_status run_completion(struct dsoctl *ctl);
enum exit_status run_version(struct dsoctl *ctl);
enum exit_status run_help(struct dsoctl *ctl);

#endif
