/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/dsoctl/work.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- what /proc shows ---- */

/* Read /proc/PID/stat; see proc(5). False: the process has ended. */
static bool read_process(const char *pid, struct process *ret_process)
{
	char path[32], line[1024];
	const char *behind_name;
	FILE *file;
	size_t n;

	snprintf(path, sizeof path, "/proc/%.15s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	n = fread(line, 1, sizeof line - 1, file);
	fclose(file);
	line[n] = 0;
	/* The name is in parentheses, and may contain some itself. */
	behind_name = strrchr(line, ')');
	*ret_process = (struct process){.pid = (pid_t)atol(pid)};
	return behind_name &&
	       sscanf(behind_name,
		      ") %*c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		      "%llu",
		      &ret_process->parent, &ret_process->session, &ret_process->started) == 3;
}

static bool add(struct processes *to, const struct process *process)
{
	if (to->count == to->room) {
		size_t room = to->room ? 2 * to->room : 256;
		struct process *grown = reallocarray(to->list, room, sizeof *to->list);

		if (!grown)
			return false;
		to->list = grown;
		to->room = room;
	}
	to->list[to->count++] = *process;
	return true;
}

static int by_pid(const void *left, const void *right)
{
	pid_t a = ((const struct process *)left)->pid, b = ((const struct process *)right)->pid;

	return (a > b) - (a < b);
}

static struct process *find(const struct processes *in, pid_t pid)
{
	struct process key = {.pid = pid};

	return in->count ? bsearch(&key, in->list, in->count, sizeof key, by_pid) : NULL;
}

static bool contains(const struct processes *set, const struct process *process)
{
	const struct process *found = find(set, process->pid);

	return found && found->started == process->started;
}

/* Whether /proc has the pids that are used here: it may be missing, or belong to another
 * namespace. */
static bool proc_is_ours(void)
{
	char target[16] = "";

	return readlink("/proc/self", target, sizeof target - 1) > 0 && atol(target) == getpid();
}

/* Every process, to be freed in any case. False where /proc does not tell. */
static bool take(struct processes *ret_all)
{
	DIR *directory = proc_is_ours() ? opendir("/proc") : NULL;
	struct dirent *entry;
	struct process process;
	bool whole = directory != NULL;

	*ret_all = (struct processes){0};
	while (whole && (entry = readdir(directory)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    read_process(entry->d_name, &process))
			whole = add(ret_all, &process);
	if (directory)
		closedir(directory);
	if (ret_all->count)
		qsort(ret_all->list, ret_all->count, sizeof process, by_pid);
	return whole;
}

/* ---- who belongs to it ---- */

/* Whether a child of dsoctl's is the command, or has outlived its parent and is no daemon. */
static bool is_root(const struct work *work, const struct process *child)
{
	if (child->pid == work->command || contains(&work->seen, child))
		return true;
	return child->session == getsid(0) && !contains(&work->strangers, child);
}

/* Whether the process belongs to the work, as far as the marks show by now. */
static bool belongs(const struct work *work, const struct processes *all,
		    const struct process *process)
{
	const struct process *parent = find(all, process->parent);

	if (process->parent == getpid())
		return is_root(work, process);
	return parent && parent->in_work;
}

/* Parents may come after their children in the list: repeat until nothing changes. */
static void mark(const struct work *work, struct processes *all)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < all->count; i++) {
			if (all->list[i].in_work || !belongs(work, all, &all->list[i]))
				continue;
			all->list[i].in_work = true;
			changed = true;
		}
	}
}

/* Keep those of which @keep is true. */
static void filter(struct processes *all, bool (*keep)(const struct process *process))
{
	size_t kept = 0;

	for (size_t i = 0; i < all->count; i++)
		if (keep(&all->list[i]))
			all->list[kept++] = all->list[i];
	all->count = kept;
}

static bool is_child(const struct process *process)
{
	return process->parent == getpid();
}

static bool is_in_work(const struct process *process)
{
	return process->in_work;
}

/* The work at this moment, to be freed in any case. False: /proc does not tell. */
static bool find_work(const struct work *work, struct processes *ret_work)
{
	bool whole = take(ret_work);

	mark(work, ret_work);
	filter(ret_work, is_in_work);
	return whole;
}

/* ---- what is done with it ---- */

void work_begin(struct work *work)
{
	*work = (struct work){0};
	take(&work->strangers);
	filter(&work->strangers, is_child);
}

static bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool work_is_left(const struct work *work)
{
	struct processes left;
	bool known, any;

	if (work->command || !has_children())
		return work->command != 0;
	known = find_work(work, &left);
	any = left.count != 0;
	free(left.list);
	/* Where /proc does not tell, a daemon counts too: to hold for too long is better than for
	 * too short a time. */
	return any || !known;
}

void work_remember(struct work *work)
{
	struct processes now;

	find_work(work, &now);
	free(work->seen.list);
	work->seen = now;
}

static void send(pid_t pid, int signal_number, bool but_group)
{
	if (!but_group || getpgid(pid) != getpgrp())
		kill(pid, signal_number);
}

void work_signal(const struct work *work, int signal_number, bool but_group)
{
	struct processes all;

	find_work(work, &all);
	for (size_t i = 0; i < all.count; i++)
		send(all.list[i].pid, signal_number, but_group);
	if (work->command && !find(&all, work->command))
		send(work->command, signal_number, but_group);
	free(all.list);
}

void work_free(struct work *work)
{
	free(work->strangers.list);
	free(work->seen.list);
	*work = (struct work){0};
}
