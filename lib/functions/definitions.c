/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/functions/definitions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static struct dso_definition *definitions;

void dso_function_define(struct dso_definition *definition)
{
	definition->next = definitions;
	definitions = definition;
}

const struct dso_definition *definition_of(dso_function function)
{
	const struct dso_definition *definition = definitions;

	while (definition && definition->function != function)
		definition = definition->next;
	return definition;
}

const struct dso_definition *definition_named(const char *name, size_t name_bytes)
{
	const struct dso_definition *definition = definitions;

	while (definition && (strlen(definition->name) != name_bytes ||
			      memcmp(definition->name, name, name_bytes) != 0))
		definition = definition->next;
	return definition;
}

/* The file is mapped, since it is in the page cache: the process was started from it. */
static int hash_file(int fd, uint8_t ret_build[MESSAGE_BUILD_BYTES])
{
	XXH128_canonical_t canonical;
	struct stat stat;
	void *bytes;

	if (fstat(fd, &stat))
		return -errno;
	bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, (size_t)stat.st_size));
	munmap(bytes, (size_t)stat.st_size);
	memcpy(ret_build, canonical.digest, MESSAGE_BUILD_BYTES);
	return 0;
}

static bool is_told;
static uint8_t told[MESSAGE_BUILD_BYTES];

void build_text(const uint8_t build[MESSAGE_BUILD_BYTES], char ret_text[BUILD_TEXT_BYTES])
{
	for (unsigned i = 0; i < MESSAGE_BUILD_BYTES; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", build[i]);
}

void build_is(const char *text)
{
	is_told = strlen(text) == BUILD_TEXT_BYTES - 1;
	for (unsigned i = 0; i < MESSAGE_BUILD_BYTES && is_told; i++)
		is_told = sscanf(text + 2 * i, "%2hhx", &told[i]) == 1;
}

int build_of_this(uint8_t ret_build[MESSAGE_BUILD_BYTES])
{
	int fd = is_told ? -1 : open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int r = is_told ? 0 : fd < 0 ? -errno : hash_file(fd, ret_build);

	if (is_told)
		memcpy(ret_build, told, sizeof told);
	if (fd >= 0)
		close(fd);
	return r;
}
