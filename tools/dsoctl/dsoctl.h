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
	STATUS_TIMED_OUT = 124, /* the wait for others was in vain */
	STATUS_ENDED = 125,     /* it was in vain, and will always be: the queue is shut down */
};

/* Options that only some commands have. */
enum command_option {
	OPTION_COUNT = 1,
	OPTION_LONG = 2,
	OPTION_INITIAL = 4,
	OPTION_STRIPES = 8,
	OPTION_FIGURES = 16,
	OPTION_TIMEOUT = 32, /* the command waits for others; elsewhere --timeout is --silence */
	OPTION_PERMITS = 64,
	OPTION_HELD = 128,
	OPTION_FORCE = 256,
	OPTION_PREFIX = 512,
	OPTION_PLAIN = 1024, /* no option: it has no JSON */
	OPTION_CAPACITY = 2048,
	OPTION_ITEM_BYTES = 4096,
	OPTION_LINES = 8192,
	OPTION_NULL = 16384,
	OPTION_ALL = 32768,
	OPTION_WAIT = 65536,
	OPTION_LEASE = 131072,
	OPTION_RENDEZVOUS = 262144,
	OPTION_OTHER = 524288,
	OPTION_EPHEMERAL = 1048576,
	OPTION_RANKS = 2097152, /* any of those that only run has */
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
	const char *details; /* the text below its options; NULL: none */
};

struct dsoctl {
	const char *url; /* NULL: not given */
	const char *transport;
	int64_t silence_ns; /* of storaged; 0: not given */
	int64_t wait_ns;    /* the wait for others; DSO_FOREVER: not given */
	int64_t begun_ns;   /* when dsoctl was started */
	bool json;
	unsigned options; /* the options that were given, of enum command_option */
	uint64_t count;
	int64_t initial;
	uint64_t stripes;
	uint64_t permits;
	uint64_t capacity;
	uint64_t item_bytes;
	const char *prefix;
	uint32_t ephemeral;    /* of what is made: 0 or DSO_EPHEMERAL */
	const char *run;       /* its name; NULL: one is drawn */
	const char *directory; /* of the ranks' output; NULL: to stdout and stderr */
	uint64_t restarts;     /* of each rank */
	bool keep_going, no_marks, keep;
	bool wants_help;
	const struct command *command;
	char **words;    /* all operands; freed by main() */
	char **operands; /* the operands after the command's name */
	unsigned operand_count;
	void *memory; /* of the command; freed by main() */
	struct dso_session *session;
	int signal; /* the signal that ended the command, by which main() ends dsoctl */
};

/* ---- commands.c ---- */

extern const struct command commands[]; /* ends with a NULL name */

/* The command that @words (of @count) begin with, or NULL; *ret_used is how many words it has. */
const struct command *command_find(char *const *words, unsigned count, unsigned *ret_used);

/* Whether it runs another command, whose words are all those after a name, if it has one. queue pop
 * runs one only where there are such words. */
bool command_runs_another(const struct command *command);

/* Whether its first operand is a name. */
bool command_has_name(const struct command *command);

/* ---- help.c ---- */

/* Print the commands that begin with @word to @to, unless that is NULL. Returns how many there
 * are. */
unsigned commands_print_family(FILE *to, const char *word);

/* Print how to use dsoctl, or the command that ctl->operands begin with. */
enum exit_status dsoctl_help(struct dsoctl *ctl);

/* ---- arguments.c ---- */

/* The options of the command line, as argp has them. */
extern const struct argp_option option_table[];

/* The bit of the option with that key, of enum command_option; 0: every command has it. */
unsigned option_bit(int key);

/*
 * Take options, operands and the command from the command line. Any status but STATUS_DONE: the
 * command line was wrong, and stderr was told. STATUS_DONE without a command: there is nothing more
 * to do.
 */
enum exit_status arguments_parse(struct dsoctl *ctl, int argc, char **argv);

/* ---- times.c ---- */

/* Of the monotonic clock. */
int64_t now_ns(void);

/* The options of the command line as dso_open() wants them. */
struct dso_options dsoctl_options(const struct dsoctl *ctl);

/* Open ctl->session as the command line has it. Returns what dso_open() returns. */
int open_session(struct dsoctl *ctl);

/* What is left of --timeout, which counts from the start of dsoctl. */
int64_t time_left(const struct dsoctl *ctl);

/* ---- prepare.c ---- */

/* To be called before anything else: buffers stderr, makes sure that no descriptor below 3 is free,
 * and lets process 1 obey signals. */
void prepare(void);

/* ---- output.c ---- */

/*
 * Sentences on stderr are kept until dsoctl holds nothing any more, however slowly they are read.
 * The functions here escape names and sentences from elsewhere; their callers do not.
 */

/* Say on stderr that something failed with @error; the session has the sentence. */
enum exit_status fail(const struct dsoctl *ctl, int error);

/*
 * The same after a wait for others. Where the time was over the status is STATUS_TIMED_OUT, and the
 * sentence names the holders of the object that the first operand names.
 */
enum exit_status fail_wait(const struct dsoctl *ctl, int error);

/* The same with a sentence of our own. */
__attribute__((format(printf, 1, 2))) enum exit_status fail_because(const char *format, ...);

/* Say on stderr that there is no @type with the first operand's name, and that @command creates
 * one. */
enum exit_status fail_missing(const struct dsoctl *ctl, const char *type, const char *command);

/* Say on stderr what is wrong with the command line. */
__attribute__((format(printf, 2, 3))) enum exit_status wrong_usage(const struct dsoctl *ctl,
								   const char *format, ...);

/* Print @object on a line, and free it. NULL stands for a lack of memory. */
enum exit_status print_json(json_t *object);

/*
 * Add to @object KEY_text, the number of its member KEY in digits: programs that keep numbers as
 * doubles, as jq does, round those over 2^53. Returns @object; NULL is passed through.
 */
json_t *json_with_text(json_t *object, const char *key);

/* With --json print @object, otherwise nothing; free it. For commands that have nothing to print
 * but that they are done. */
enum exit_status print_done(const struct dsoctl *ctl, json_t *object);

/*
 * The same with the status of a command as a member. Where the command @ran, its output may lack a
 * newline at its end: the object begins on a line of its own. Returns @status, or why that could
 * not be printed.
 */
enum exit_status print_run(const struct dsoctl *ctl, enum exit_status status, bool ran,
			   json_t *object);

/* Print the members of @object, one on a line, and free it. NULL stands for a lack of memory. */
enum exit_status print_members(json_t *object);

/* @name for a terminal; see tools/printable.h. */
#define PRINTABLE_BYTES PRINTABLE_BYTES_MAX(DSO_NAME_BYTES_MAX)
const char *printable(const char *name, char text[static PRINTABLE_BYTES]);

/* @text for JSON, which has no bytes that are not UTF-8; see tools/printable.h. Every text from
 * elsewhere has to go through it. */
json_t *json_text(const char *text);

/* A duration for people: "12.3 us". */
#define DURATION_BYTES 32
const char *duration(int64_t ns, char text[static DURATION_BYTES]);

/* A number of bytes for people: "64 MiB". */
const char *size(uint64_t bytes, char text[static DURATION_BYTES]);

/* ---- bytes.c ---- */

/* Add @bytes as @member: as a string where they are text, otherwise in base64 as MEMBER_base64. */
void json_set_text(json_t *object, const char *member, const uint8_t *bytes, size_t count);

/* Add @bytes as "value", and their length. */
void json_set_bytes(json_t *object, const uint8_t *bytes, size_t count);

/* Write @bytes to stdout. */
enum exit_status write_bytes(const uint8_t *bytes, size_t count);

/* Write what stands behind an entry: a newline, with --null a byte of 0. */
enum exit_status write_end(const struct dsoctl *ctl);

/*
 * Read stdin to its end, or to one byte more than @bytes_max, which shows that there is too much.
 * The result is to be freed; NULL after saying why there is none.
 */
uint8_t *read_input(size_t bytes_max, size_t *ret_length);

/* ---- set.c: for maps, too ---- */

/* Say whether the second operand is in what the first one names: by the status, and in JSON. */
enum exit_status print_contains(const struct dsoctl *ctl, bool contains);

/* Print how many entries there are. */
enum exit_status print_size(const struct dsoctl *ctl, uint64_t size);

/* ---- objects.c ---- */

/* Every object with the prefix that was asked for, by name; to be freed with listing_free() in any
 * case. */
struct listing {
	const struct dsoctl *ctl;
	struct dso_stat *entries;
	size_t count, room;
};
/* Returns what dso_list() returns, or -ENOMEM. */
int listing_read(const struct dsoctl *ctl, struct listing *ret_listing);
void listing_free(struct listing *listing);

/* ---- held.c ---- */

/* Every hold, to be freed with holds_free() in any case. */
struct holds {
	struct dso_hold *entries;
	size_t count, room;
};
int holds_read(const struct dsoctl *ctl, struct holds *ret_holds);
void holds_free(struct holds *holds);

/* The next of @holds after @last (NULL: the first) of the object called @name, or NULL. */
const struct dso_hold *holds_next(const struct holds *holds, const char *name,
				  const struct dso_hold *last);

/* "held by pid 4711 for 12s", for the end of a sentence; names in it are not escaped yet. */
#define HOLD_TEXT_BYTES (sizeof(((struct dso_hold *)0)->who) + 96)
const char *hold_text(const struct dso_hold *hold, char text[static HOLD_TEXT_BYTES]);

/* Whether the name begins with --prefix, where that is given. */
bool has_prefix(const struct dsoctl *ctl, const char *name);

/* Print which session holds what, and for how long. */
enum exit_status print_held(const struct dsoctl *ctl);

/* ---- the commands ---- */

enum exit_status run_ping(struct dsoctl *ctl);
enum exit_status run_doctor(struct dsoctl *ctl);
enum exit_status run_ls(struct dsoctl *ctl);
enum exit_status run_stat(struct dsoctl *ctl);
enum exit_status run_rm(struct dsoctl *ctl);
enum exit_status run_fsck(struct dsoctl *ctl);
enum exit_status run_counter_open(struct dsoctl *ctl);
enum exit_status run_counter_get(struct dsoctl *ctl);
enum exit_status run_counter_set(struct dsoctl *ctl);
enum exit_status run_counter_add(struct dsoctl *ctl);
enum exit_status run_counter_cas(struct dsoctl *ctl);
enum exit_status run_counter_wait(struct dsoctl *ctl);
enum exit_status run_register_get(struct dsoctl *ctl);
enum exit_status run_register_set(struct dsoctl *ctl);
enum exit_status run_register_wait(struct dsoctl *ctl);
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
enum exit_status run_queue_open(struct dsoctl *ctl);
enum exit_status run_queue_push(struct dsoctl *ctl);
enum exit_status run_queue_pop(struct dsoctl *ctl);
enum exit_status run_queue_length(struct dsoctl *ctl);
enum exit_status run_queue_shutdown(struct dsoctl *ctl);
enum exit_status run_queue_stat(struct dsoctl *ctl);
enum exit_status run_map_open(struct dsoctl *ctl);
enum exit_status run_map_get(struct dsoctl *ctl);
enum exit_status run_map_put(struct dsoctl *ctl);
enum exit_status run_map_wait(struct dsoctl *ctl);
enum exit_status run_map_add(struct dsoctl *ctl);
enum exit_status run_map_replace(struct dsoctl *ctl);
enum exit_status run_map_merge(struct dsoctl *ctl);
enum exit_status run_map_remove(struct dsoctl *ctl);
enum exit_status run_map_contains(struct dsoctl *ctl);
enum exit_status run_map_size(struct dsoctl *ctl);
enum exit_status run_map_scan(struct dsoctl *ctl);
enum exit_status run_map_clear(struct dsoctl *ctl);
enum exit_status run_set_open(struct dsoctl *ctl);
enum exit_status run_set_add(struct dsoctl *ctl);
enum exit_status run_set_remove(struct dsoctl *ctl);
enum exit_status run_set_contains(struct dsoctl *ctl);
enum exit_status run_set_size(struct dsoctl *ctl);
enum exit_status run_set_scan(struct dsoctl *ctl);
enum exit_status run_set_clear(struct dsoctl *ctl);
enum exit_status run_agg_open(struct dsoctl *ctl);
enum exit_status run_agg_contribute(struct dsoctl *ctl);
enum exit_status run_agg_wait(struct dsoctl *ctl);
enum exit_status run_agg_get(struct dsoctl *ctl);
enum exit_status run_agg_finish(struct dsoctl *ctl);
enum exit_status run_agg_reset(struct dsoctl *ctl);
enum exit_status run_agg_stat(struct dsoctl *ctl);
enum exit_status run_run(struct dsoctl *ctl);
enum exit_status run_ps(struct dsoctl *ctl);
enum exit_status run_kill(struct dsoctl *ctl);
enum exit_status run_logs(struct dsoctl *ctl);
enum exit_status run_completion(struct dsoctl *ctl);
enum exit_status run_version(struct dsoctl *ctl);
enum exit_status run_help(struct dsoctl *ctl);

#endif
