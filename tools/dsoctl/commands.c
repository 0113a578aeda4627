/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/dsoctl.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* argp breaks a long line without its indent: no indented line is longer than 78. */
static const char about_rm[] = "It goes on after an object that cannot be deleted, and its status "
			       "is 1 then. An object that "
			       "a session holds (a lock, permits, a once under way, a promised "
			       "future, a leased item) is deleted only with "
			       "--force.\n";

static const char about_unlock[] =
	"The holder may still be working. The next holder learns that the work may be half done. "
	"Only "
	"a fencing token keeps what the late holder does from having an effect elsewhere.\n";

static const char about_runs[] =
	"COMMAND begins with the first word after NAME, or after a --. All following words are its "
	"own, options too.\n"
	"\n"
	"The hold lasts until the work has ended: the command and every process that it has "
	"started. "
	"A daemon does not count: a process in a session of its own (setsid) whose parent has "
	"ended.\n"
	"\n"
	"A signal that would end dsoctl, except SIGKILL, is passed on to the command, and after "
	"the "
	"command has ended to the processes that it has left. A signal that the whole process "
	"group "
	"has got, as by Ctrl-C, is not sent again. When the session is lost, all of the work gets "
	"SIGTERM, and SIGKILL 5 s later.\n"
	"\n"
	"--timeout counts from the start of dsoctl, so it includes connecting. However short it "
	"is, "
	"storaged has --silence to answer, and dsoctl asks once for what the command needs. If "
	"others "
	"hold that, the status is 124.\n"
	"\n"
	"Exit status:\n"
	"  that of the command  128+N when signal N ended it, 126 or 127 when it could\n"
	"                       not be started\n"
	"  124                  others held it for the whole --timeout: see stderr\n"
	"  1                    the session was lost, storaged does not answer, another\n"
	"                       took the hold by force (the command has run on then),\n"
	"                       or another failure: stderr says which\n";

static const char about_agg_open[] =
	"A vector has LENGTH numbers. OPERATION is sum (which it is without), min, max, mean, "
	"variance, count, argmin or argmax; ELEMENT is double (without) or int64.\n";

static const char about_agg_contribute[] =
	"IDs count from 0. A VALUE that begins with - stands behind a --. The contribution is for "
	"the current round; one for the same ID replaces it. What the last contributor prints is "
	"the round that is over then.\n";

static const char about_agg_result[] =
	"The numbers are printed one a line. Without ROUND wait is for the current one. The "
	"results of the last two rounds are kept.\n";

static const char about_push[] =
	"An ITEM that begins with - stands behind a --. Without ITEM stdin is one item, which may "
	"be "
	"any bytes, or none. With --lines or --null what one read of stdin brings is pushed at "
	"once. "
	"An item that is too long ends that, and those before it are pushed.\n"
	"\n"
	"A queue that is not there is made. While it is full, push waits for room, for --timeout "
	"at most. "
	"The status is 124 when there was none, and 1 when the queue is shut down.\n";

static const char about_pop[] =
	"It does not wait for items unless --wait or --timeout is given. With --count and --all it "
	"waits for the first, and takes those that are there with it. Without --lines and --null "
	"the "
	"bytes of the items follow each other. --json prints them an object a line, with value, or "
	"value_base64 where the bytes are no UTF-8. An item whose write to stdout fails is lost.\n"
	"\n"
	"With --lease COMMAND gets the item as its stdin. The item is taken off the queue when "
	"COMMAND exits with 0. Otherwise it goes back, and so it does when dsoctl or its host "
	"fails. "
	"So an item may be worked on more than once: DSO_QUEUE_DELIVERIES tells COMMAND how often "
	"it was "
	"handed out, this time included. Signals, daemons and a lost session are as with dsoctl "
	"lock: dsoctl lock --help.\n"
	"\n"
	"Exit status:\n"
	"  0                    at least one item was taken\n"
	"  124                  the queue is empty, or was for the whole --timeout\n"
	"  125                  it is empty and shut down: no item comes any more\n"
	"  that of the command  with --lease, as for dsoctl lock\n"
	"  1                    another failure: stderr says which\n";

static const char about_ps[] =
	"Of each executor it tells how many calls wait for a worker (queued), run, have a result "
	"(done), have failed, and were cancelled, and how often calls were made again (retried). "
	"The driver tells these numbers while it waits for results. Below it are the calls that "
	"have run for a tenth of a second, as kill takes them: run/RUN/EXECUTOR/NUMBER. A worker "
	"that has told nothing of its call for 5 s is silent: it is frozen, or gone. --json "
	"prints an executor a line.\n";

static const char about_kill[] =
	"CALL is run/RUN/EXECUTOR/NUMBER, as ps shows it. A call that waits is not begun; where it "
	"runs, its worker is killed. The driver learns that it was cancelled (ENODATA), and does "
	"not make it again. A call that has ended is left as it is. In a thread (thread:) the "
	"function goes on until it asks.\n";

static const char about_logs[] =
	"CALL is run/RUN/EXECUTOR/NUMBER, as ps shows it once it has run for a tenth of a second; "
	"any other NUMBER of that executor will do. What its function wrote to standard output and "
	"error is printed there, too. Lines are kept where the "
	"driver asks for them (output, in struct dso_executor_params): the last 1,024 of an "
	"executor, until it is closed. --json prints a line of the function's a line.\n";

static const char about_run[] =
	"COMMAND is started N times, as ranks 0 to N - 1, in an environment that says where "
	"storaged is (DSO_URL), which rank this is (DSO_RANK) of how many (DSO_COUNT), in which "
	"run (DSO_RUN), and how often it was started, this time included (DSO_ATTEMPT).\n"
	"\n"
	"What the ranks write comes line by line, each with its rank in front: [3] text. A line of "
	"more than 65536 bytes comes in pieces, and a last one without a newline gets one. Rank 0 "
	"has the stdin of dsoctl, unless that is a terminal (cat | dsoctl run passes it on); the "
	"others have an empty one.\n"
	"\n"
	"When a rank fails, which is to exit with another status than 0 or by a signal, and has no "
	"restart left, the others get SIGTERM, and SIGKILL 5 s later. So they do by SIGINT, "
	"SIGTERM, SIGHUP and SIGQUIT, after --timeout, and when nobody reads the output any more. "
	"A second signal sends SIGKILL at once. Other signals that would end dsoctl are passed on "
	"to the ranks.\n"
	"\n"
	"A rank is its process. What that has left in its process group is killed when it ends. "
	"However dsoctl ends, SIGKILL included, no process group of a rank goes on. A process that "
	"has left its group, as a daemon does by setsid, goes on.\n"
	"\n"
	"At the end the objects whose names begin with run/RUN/ are deleted, where RUN is DSO_RUN, "
	"unless --keep is given. A dsoctl that is killed leaves them: dsoctl rm --prefix.\n"
	"\n"
	"Exit status:\n"
	"  0                    every rank has exited with 0\n"
	"  that of a rank       the first one that failed: its own, 128+N when signal N\n"
	"                       ended it, 126 or 127 when it could not be started;\n"
	"                       stderr names it\n"
	"  124                  the ranks were not through within --timeout\n"
	"  1                    another failure: stderr says which\n";

static const char about_map_value[] =
	"KEY and VALUE are words; one that begins with - stands behind a --. Without VALUE it is "
	"the "
	"bytes of stdin. A map that is not there is made. --json prints the entry's version, which "
	"map replace expects.\n";

static const char about_map_get[] =
	"Without ELEMENT the value is written as it is. ELEMENT is int64 or double: the value has "
	"8 "
	"bytes, as map merge makes them, and is printed as a number. Where the map has no such key "
	"the status is 1.\n";

static const char about_map_wait[] =
	"It writes the value to stdout. A map that is not there is made. VERSION is what --json "
	"prints; without it the wait is over as soon as the map has the key.\n";

static const char about_map_merge[] =
	"FUNCTION makes a value of the one that is there and VALUE, atomically; where there is "
	"none, VALUE is the value. sum, min and max take an int64, sum-double, min-double and "
	"max-double a double: map get NAME KEY int64 prints what comes of it. append puts the "
	"bytes "
	"behind those that are there, first keeps those that are there; without VALUE both take "
	"the "
	"bytes of stdin.\n";

static const char about_map_scan[] =
	"Each entry is a line: its key, a tab, and its value, in no order. Where keys or values "
	"may "
	"have tabs or newlines, take --json, which prints an object a line, with key and value, or "
	"key_base64 and value_base64 where they are no UTF-8. An entry that is there all the time "
	"is "
	"printed exactly once, also while others change the map.\n";

static const char about_contains[] =
	"The status is 0 where it has the key, and 1 where it does not.\n";

static const char about_set_change[] =
	"It prints how many of the keys changed the set. A KEY that begins with - stands behind a "
	"--.\n";

static const char about_set_scan[] =
	"Each key is a line, in no order. --json prints an object a line, with key, or key_base64 "
	"where it is no UTF-8. A key that is there all the time is printed exactly once.\n";

static const char about_length[] =
	"Items that a consumer has leased are not counted, nor those that "
	"came back. queue pop takes the latter all the same.\n";

static const char about_fsck[] =
	"It reads the objects, all of the namespace or those named, and changes nothing. It checks "
	"headers, owners, flags, checksums and counts. Damage is what no client "
	"and no storaged brings about, not even by its death: something has written over the "
	"memory. "
	"A leftover is of a session that has ended. It costs a little, and hinders nobody. An "
	"object that "
	"changes while it is looked at is looked at again, and after a few times it is in use, "
	"which is no failure: try again when it is quiet.\n"
	"\n"
	"--json prints an object a line: name, state (clean, damaged, in use) and findings, each "
	"with kind "
	"(damage, leftover), offset in the object and sentence. What to do about damage: dsoctl rm "
	"NAME, "
	"and let the function make the object again.\n"
	"\n"
	"Exit status:\n"
	"  0                    no damage was found\n"
	"  1                    damage was found, or an object could not be checked\n";

const struct command commands[] = {
	{"ping", "[-n N]", "measure the round trip to storaged", OPTION_COUNT, 0, 0, false,
	 run_ping},
	{"doctor", "", "say what is used, why, and what is missing", 0, 0, 0, true, run_doctor},
	{"ls", "[-l | --held] [--prefix TEXT]", "list the objects, or the holds and holders",
	 OPTION_LONG | OPTION_HELD | OPTION_PREFIX, 0, 0, false, run_ls},
	{"stat", "[NAME | --transport]", "describe an object, storaged, or packets", OPTION_FIGURES,
	 0, 1, false, run_stat},
	{"rm", "NAME... | --prefix TEXT", "delete objects", OPTION_FORCE | OPTION_PREFIX, 0,
	 UINT_MAX, false, run_rm, about_rm},
	{"fsck", "[NAME...]", "check objects that nobody uses", 0, 0, UINT_MAX, false, run_fsck,
	 about_fsck},
	{"counter open", "NAME [--initial N] [--stripes N]", "make a counter where there is none",
	 OPTION_INITIAL | OPTION_STRIPES, 1, 1, false, run_counter_open},
	{"counter get", "NAME", "print a counter's value", 0, 1, 1, false, run_counter_get},
	{"counter set", "NAME VALUE", "set a counter to a value", 0, 2, 2, false, run_counter_set},
	{"counter add", "NAME [DELTA]", "add DELTA (1), print the new value", 0, 1, 2, false,
	 run_counter_add},
	{"counter cas", "NAME EXPECTED VALUE", "set it if EXPECTED, print its old value", 0, 3, 3,
	 false, run_counter_cas},
	{"counter wait", "NAME VALUE [--other] [--timeout TIME]",
	 "wait until it is VALUE or more, print it", OPTION_OTHER | OPTION_TIMEOUT, 2, 2, false,
	 run_counter_wait},
	{"register get", "NAME", "write a register's bytes to stdout", 0, 1, 1, false,
	 run_register_get},
	{"register set", "NAME", "set a register to the bytes of stdin", 0, 1, 1, false,
	 run_register_set},
	{"register wait", "NAME VERSION [--timeout TIME]",
	 "wait for a version after VERSION, write it to stdout", OPTION_TIMEOUT, 2, 2, false,
	 run_register_wait},
	{"lock", "NAME [--timeout TIME] [--ephemeral] -- COMMAND...",
	 "run a command while a mutex is locked", OPTION_TIMEOUT | OPTION_EPHEMERAL, 2, UINT_MAX,
	 false, run_lock, about_runs},
	{"unlock", "--force NAME", "take a mutex from its holder", OPTION_FORCE, 1, 1, false,
	 run_unlock, about_unlock},
	{"semaphore run", "NAME [--permits N] [--count K] [--timeout TIME] -- COMMAND...",
	 "run a command that holds K (1) of N permits",
	 OPTION_PERMITS | OPTION_COUNT | OPTION_TIMEOUT | OPTION_EPHEMERAL, 2, UINT_MAX, false,
	 run_semaphore_run, about_runs},
	{"semaphore available", "NAME", "print how many permits are free", 0, 1, 1, false,
	 run_semaphore_available},
	{"barrier wait", "NAME [-n PARTIES] [--timeout TIME]",
	 "wait for the others; the last prints \"last\"",
	 OPTION_COUNT | OPTION_TIMEOUT | OPTION_EPHEMERAL, 1, 1, false, run_barrier_wait},
	{"barrier reset", "NAME", "make a barrier as new", 0, 1, 1, false, run_barrier_reset},
	{"barrier stat", "NAME", "print its parties, and how many have come", 0, 1, 1, false,
	 run_barrier_stat},
	{"latch open", "NAME COUNT", "make a latch where there is none", 0, 2, 2, false,
	 run_latch_open},
	{"latch wait", "NAME [--timeout TIME]", "wait until a latch's count is 0", OPTION_TIMEOUT,
	 1, 1, false, run_latch_wait},
	{"latch count-down", "NAME [N]", "take N (1) off the count, print the rest", 0, 1, 2, false,
	 run_latch_count_down},
	{"latch get", "NAME", "print a latch's count", 0, 1, 1, false, run_latch_get},
	{"future set", "NAME", "set a future to the bytes of stdin", 0, 1, 1, false,
	 run_future_set},
	{"future error", "NAME SENTENCE", "set a future to an error", 0, 2, 2, false,
	 run_future_error},
	{"future get", "NAME [--timeout TIME]", "wait for a future, write it to stdout",
	 OPTION_TIMEOUT, 1, 1, false, run_future_get},
	{"once", "NAME [--timeout TIME] -- COMMAND...", "run a command until it has succeeded once",
	 OPTION_TIMEOUT, 2, UINT_MAX, false, run_once, about_runs},
	{"queue open", "NAME [--capacity N] [--item-bytes N] [--rendezvous]",
	 "make a queue where there is none",
	 OPTION_CAPACITY | OPTION_ITEM_BYTES | OPTION_RENDEZVOUS, 1, 1, false, run_queue_open},
	{"queue push", "NAME [--lines | --null | ITEM...]", "append items, or stdin as one",
	 OPTION_CAPACITY | OPTION_ITEM_BYTES | OPTION_LINES | OPTION_NULL | OPTION_TIMEOUT, 1,
	 UINT_MAX, false, run_queue_push, about_push},
	{"queue pop", "NAME [--wait] [--count N | --all | --lease -- COMMAND...]",
	 "take items to stdout, or run a command for one",
	 OPTION_COUNT | OPTION_ALL | OPTION_LINES | OPTION_NULL | OPTION_WAIT | OPTION_TIMEOUT |
		 OPTION_LEASE,
	 1, UINT_MAX, false, run_queue_pop, about_pop},
	{"queue length", "NAME", "print how many items are to be taken", 0, 1, 1, false,
	 run_queue_length, about_length},
	{"queue stat", "NAME", "print its room, and how full it is", 0, 1, 1, false, run_queue_stat,
	 about_length},
	{"queue shutdown", "NAME", "end it: nothing is pushed any more", 0, 1, 1, false,
	 run_queue_shutdown},
	{"map open", "NAME [--ephemeral]", "make a map where there is none", OPTION_EPHEMERAL, 1, 1,
	 false, run_map_open},
	{"map get", "NAME KEY [ELEMENT]", "write a key's value to stdout", 0, 2, 3, false,
	 run_map_get, about_map_get},
	{"map wait", "NAME KEY [VERSION] [--timeout TIME]",
	 "wait for a key, in another version than VERSION", OPTION_TIMEOUT, 2, 3, false,
	 run_map_wait, about_map_wait},
	{"map put", "NAME KEY [VALUE]", "set a key to VALUE, or to stdin", 0, 2, 3, false,
	 run_map_put, about_map_value},
	{"map add", "NAME KEY [VALUE]", "the same, unless the map has the key", 0, 2, 3, false,
	 run_map_add, about_map_value},
	{"map replace", "NAME KEY VERSION [VALUE]", "the same, if it still has that version", 0, 3,
	 4, false, run_map_replace, about_map_value},
	{"map merge", "NAME KEY FUNCTION [VALUE]", "make a value of the old one and VALUE", 0, 3, 4,
	 false, run_map_merge, about_map_merge},
	{"map remove", "NAME KEY", "remove a key and its value", 0, 2, 2, false, run_map_remove},
	{"map contains", "NAME KEY", "say by the status whether it has the key", 0, 2, 2, false,
	 run_map_contains, about_contains},
	{"map size", "NAME", "print how many entries it has", 0, 1, 1, false, run_map_size},
	{"map scan", "NAME [--null]", "print all entries", OPTION_NULL, 1, 1, false, run_map_scan,
	 about_map_scan},
	{"map clear", "NAME", "remove all entries", 0, 1, 1, false, run_map_clear},
	{"set open", "NAME [--ephemeral]", "make a set where there is none", OPTION_EPHEMERAL, 1, 1,
	 false, run_set_open},
	{"set add", "NAME KEY...", "put keys into a set", 0, 2, UINT_MAX, false, run_set_add,
	 about_set_change},
	{"set remove", "NAME KEY...", "take keys out of a set", 0, 2, UINT_MAX, false,
	 run_set_remove, about_set_change},
	{"set contains", "NAME KEY", "say by the status whether it has the key", 0, 2, 2, false,
	 run_set_contains, about_contains},
	{"set size", "NAME", "print how many keys it has", 0, 1, 1, false, run_set_size},
	{"set scan", "NAME [--null]", "print all keys", OPTION_NULL, 1, 1, false, run_set_scan,
	 about_set_scan},
	{"set clear", "NAME", "take all keys out", 0, 1, 1, false, run_set_clear},
	{"agg open", "NAME LENGTH [OPERATION [ELEMENT]] -n CONTRIBUTORS",
	 "make an aggregator where there is none", OPTION_COUNT, 2, 4, false, run_agg_open,
	 about_agg_open},
	{"agg contribute", "NAME ID [VALUE...] [--timeout TIME]",
	 "contribute numbers, or those of stdin; print the round", OPTION_TIMEOUT, 2, UINT_MAX,
	 false, run_agg_contribute, about_agg_contribute},
	{"agg wait", "NAME [ROUND] [--timeout TIME]", "wait for a round, and print its result",
	 OPTION_TIMEOUT, 1, 2, false, run_agg_wait, about_agg_result},
	{"agg get", "NAME", "print the last result", 0, 1, 1, false, run_agg_get, about_agg_result},
	{"agg finish", "NAME [ROUND]", "end a round with those who came; print it", 0, 1, 2, false,
	 run_agg_finish},
	{"agg reset", "NAME", "end the round without a result", 0, 1, 1, false, run_agg_reset},
	{"agg stat", "NAME", "print the round, and how many have come", 0, 1, 1, false,
	 run_agg_stat},
	{"run", "[-n N] [--restart[=N]] [--timeout TIME] -- COMMAND...",
	 "run a program as N processes, the ranks", OPTION_COUNT | OPTION_TIMEOUT | OPTION_RANKS, 1,
	 UINT_MAX, false, run_run, about_run},
	{"ps", "[--prefix TEXT]", "list executors, and calls that run", OPTION_PREFIX, 0, 0, false,
	 run_ps, about_ps},
	{"kill", "CALL", "cancel a call of an executor", 0, 1, 1, false, run_kill, about_kill},
	{"logs", "CALL", "print what a call has written", 0, 1, 1, false, run_logs, about_logs},
	{"completion bash", "", "print the completion script of bash", OPTION_PLAIN, 0, 0, true,
	 run_completion},
	{"version", "", "print the versions of program and library", 0, 0, 0, true, run_version},
	{"help", "[COMMAND]", "explain dsoctl, or a command", OPTION_PLAIN, 0, 2, true, run_help},
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

bool command_runs_another(const struct command *command)
{
	return strstr(command->arguments, "COMMAND...") != NULL;
}

bool command_has_name(const struct command *command)
{
	return strstr(command->arguments, "NAME") != NULL;
}

enum exit_status run_version(struct dsoctl *ctl)
{
	if (ctl->json)
		return print_json(
			json_pack("{s:s, s:s}", "dsoctl", DSO_VERSION, "library", dso_version()));
	printf("dsoctl %s (libdso-rdma %s)\n", DSO_VERSION, dso_version());
	return STATUS_DONE;
}
