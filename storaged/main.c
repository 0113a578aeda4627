/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/log.h"
#include "storaged/server.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A long line: there may be many addresses. */
#define READY_BYTES 8192

static void say_ready(const struct server *server)
{
	char line[READY_BYTES];
	int fd = (int)server->settings->ready_fd;

	server_ready_line(server, line, sizeof line);
	fputs(line, stdout);
	fflush(stdout);
	if (server->settings->ready_fd == SETTINGS_NO_FD)
		return;
	if (write(fd, line, strlen(line)) < 0)
		log_warning("nobody reads the descriptor of --ready-fd");
	close(fd);
}

/* No client's socket may get the number of stdout or stderr, which would be written to. */
static void fill_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			_exit(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	static struct server server;
	static struct settings settings;
	char reason[512] = "";
	int r;

	fill_descriptors();
	r = settings_read(&settings, argc, argv, reason, sizeof reason);
	if (r) {
		log_failure(reason);
		return EXIT_FAILURE;
	}
	log_set_level((enum log_level)settings.log_level);
	r = server_open(&server, &settings, reason, sizeof reason);
	if (r) {
		log_failure(reason);
		server_close(&server);
		return EXIT_FAILURE;
	}
	say_ready(&server);
	r = server_run(&server);
	if (r)
		log_error("storaged cannot go on: %s", strerrordesc_np(-r));
	server_close(&server);
	settings_free(&settings);
	return r ? EXIT_FAILURE : EXIT_SUCCESS;
}
