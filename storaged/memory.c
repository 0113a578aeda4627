/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 512
#define STRICT     2 /* of vm.overcommit_memory */

/* The files of a control group's memory. */
static const struct version {
	const char *mount, *limit, *usage, *cache;
} versions[] = {
	{"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"},
	{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
	 "total_inactive_file"},
};

/* The first number of the line of the file that begins with @key, "" being any. False: there is
 * none. */
static bool read_number(const char *root, const char *path, const char *key, uint64_t *ret_number)
{
	char name[PATH_BYTES * 2], line[256];
	unsigned long long number;
	bool found = false;
	FILE *stream;

	snprintf(name, sizeof name, "%s%s", root, path);
	stream = fopen(name, "re");
	while (stream && !found && fgets(line, sizeof line, stream)) {
		size_t bytes = strlen(key);

		if (!strncmp(line, key, bytes) && sscanf(line + bytes, "%llu", &number) == 1) {
			*ret_number = number;
			found = true;
		}
	}
	if (stream)
		fclose(stream);
	return found;
}

static void limit(struct memory *memory, uint64_t limit_bytes, uint64_t used_bytes,
		  const char *kind, const char *name)
{
	uint64_t left = limit_bytes > used_bytes ? limit_bytes - used_bytes : 0;

	if (left < memory->available_bytes)
		memory->available_bytes = left;
	if (limit_bytes >= memory->limit_bytes)
		return;
	memory->limit_bytes = limit_bytes;
	snprintf(memory->limited_by, sizeof memory->limited_by, "%s%.90s", kind, name);
}

/* The group @name itself, without those above it. */
static void look_at_group(const char *root, const struct version *version, const char *name,
			  struct memory *memory)
{
	uint64_t limit_bytes, used = 0, cache = 0;
	char path[PATH_BYTES];

	snprintf(path, sizeof path, "%s%s/%s", version->mount, name, version->limit);
	if (!read_number(root, path, "", &limit_bytes))
		/* "max", or there is no file: in a container the group is seen from the inside */
		return;
	snprintf(path, sizeof path, "%s%s/%s", version->mount, name, version->usage);
	read_number(root, path, "", &used);
	snprintf(path, sizeof path, "%s%s/memory.stat", version->mount, name);
	read_number(root, path, version->cache, &cache);
	limit(memory, limit_bytes, used > cache ? used - cache : 0, "the control group ",
	      *name ? name : "/");
}

static void look_at_groups(const char *root, const struct version *version, char *name,
			   struct memory *memory)
{
	size_t bytes = strcspn(name, "\n");

	for (name[bytes] = 0; *name; *strrchr(name, '/') = 0) {
		if (strcmp(name, "/"))
			look_at_group(root, version, name, memory);
		if (!strchr(name, '/'))
			return;
	}
	look_at_group(root, version, "", memory);
}

/* Whether the list of controllers contains the memory; the empty list of version 2 does. */
static const struct version *version_of(const char *controllers)
{
	char list[128];

	if (*controllers == 0)
		return &versions[0];
	snprintf(list, sizeof list, ",%.120s,", controllers);
	return strstr(list, ",memory,") ? &versions[1] : NULL;
}

/* Each line of the file is NUMBER:CONTROLLERS:PATH. */
static void look_at_cgroups(const char *root, struct memory *memory)
{
	char name[PATH_BYTES], line[PATH_BYTES / 2];
	FILE *stream;

	snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
	stream = fopen(name, "re");
	while (stream && fgets(line, sizeof line, stream)) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		const struct version *version;

		if (!path || path[1] != '/')
			continue;
		*path = 0;
		version = version_of(controllers + 1);
		if (version)
			look_at_groups(root, version, path + 1, memory);
	}
	if (stream)
		fclose(stream);
}

void memory_look(const char *root, struct memory *ret_memory)
{
	struct memory memory = {.limit_bytes = UINT64_MAX, .available_bytes = UINT64_MAX};
	uint64_t total, available, commit, committed, policy = 0;

	if (read_number(root, "/proc/meminfo", "MemTotal:", &total) &&
	    read_number(root, "/proc/meminfo", "MemAvailable:", &available))
		limit(&memory, total << 10, (total - available) << 10, "the memory of this host",
		      "");
	look_at_cgroups(root, &memory);
	read_number(root, "/proc/sys/vm/overcommit_memory", "", &policy);
	memory.is_strict = policy == STRICT;
	if (memory.is_strict && read_number(root, "/proc/meminfo", "CommitLimit:", &commit) &&
	    read_number(root, "/proc/meminfo", "Committed_AS:", &committed))
		limit(&memory, commit << 10, committed << 10,
		      "what this host promises (vm.overcommit_memory is 2)", "");
	*ret_memory = memory;
}

static double mebibytes(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

int memory_check(const struct memory *memory, uint64_t bytes, unsigned count, bool is_taken,
		 char *reason, size_t reason_bytes)
{
	uint64_t all = bytes > UINT64_MAX / count ? UINT64_MAX : bytes * count;
	bool is_refused = (is_taken || memory->is_strict) && all > memory->available_bytes;

	*reason = 0;
	if (!is_refused && all <= memory->limit_bytes)
		return 0;
	snprintf(
		reason, reason_bytes,
		"%u namespace%s of %.1f MiB (--memory) %s more than the %.1f MiB that there %s: %s",
		count, count == 1 ? "" : "s", mebibytes(bytes), count == 1 ? "is" : "are",
		mebibytes(is_refused ? memory->available_bytes : memory->limit_bytes),
		is_refused ? "are now" : "are at most", memory->limited_by);
	return is_refused ? -ENOMEM : 0;
}
