/* SPDX-License-Identifier: Apache-2.0 */
/* One invocation a process, as of-watchdog starts one for each request ("streaming", "serializing")
 * and engines of containers do. */
#include "lib/functions/entry.h"
#include "lib/functions/invocation.h"
#include "lib/functions/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns how many bytes of standard input are in @buffer; more than @bytes are not read. */
static size_t read_all(char *buffer, size_t bytes)
{
	size_t used = 0;

	while (used < bytes) {
		ssize_t got = read(STDIN_FILENO, buffer + used, bytes - used);

		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		used += got > 0 ? (size_t)got : 0;
	}
	return used;
}

/* What functions print is no part of the answer: it goes to stderr. */
static FILE *keep_output(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	dup2(STDERR_FILENO, STDOUT_FILENO);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static int serve_once(const char *payload, size_t bytes)
{
	FILE *output = keep_output();
	struct warm warm = {0};
	struct answer answer;
	char *text;
	int r;

	entry_end_by_sigterm();
	invocation_serve(&warm, payload, bytes, INT64_MAX, &answer);
	worker_close(warm.worker);
	if (*answer.error)
		entry_fail("an invocation", answer.error);
	text = answer_write(&answer);
	r = output && text ? fprintf(output, "%s\n", text) : -1;
	free(text);
	if (output && fclose(output))
		r = -1;
	return r < 0 || *answer.error ? EXIT_FAILURE : EXIT_SUCCESS;
}

int entry_environment(const char *payload)
{
	return serve_once(payload, strlen(payload));
}

int entry_stdin(void)
{
	/* One byte more than may be: then it is refused. */
	char *payload = malloc(PAYLOAD_BYTES_MAX + 1);
	int status;

	if (!payload)
		return entry_fail("an invocation", "out of memory");
	status = serve_once(payload, read_all(payload, PAYLOAD_BYTES_MAX + 1));
	free(payload);
	return status;
}
