/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/gateway/gateway.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void run_shell(const char *command)
{
	if (system(command) != 0)
		die(command);
}

static void make_directory(struct gateway *gateway)
{
	char command[PATH_MAX * 2 + 200], program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

	strcpy(gateway->directory, "/tmp/dso-gateway-XXXXXX");
	if (length < 0 || !mkdtemp(gateway->directory))
		die("a directory for the gateway");
	program[length] = 0;
	snprintf(gateway->log, sizeof gateway->log, "%s/log", gateway->directory);
	/* One byte behind its end makes it another build, and the same program. */
	snprintf(command, sizeof command,
		 "ln -s '%s' %s/function && cp '%s' %s/other && echo >> %s/other", program,
		 gateway->directory, program, gateway->directory, gateway->directory);
	run_shell(command);
	snprintf(command, sizeof command,
		 "cd %s && echo a-service-account > token && "
		 "printf '#!/bin/sh\\necho no space left\\nexit 1\\n' > words && chmod +x words",
		 gateway->directory);
	run_shell(command);
}

static void exec_gateway(const struct gateway *gateway)
{
	const char *program = getenv("GATEWAY");
	char named[4][100], libraries[PATH_MAX + 100], directory[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", directory, sizeof directory - 1);

	/* The copy is not where the library is found from. */
	directory[length < 0 ? 0 : length] = 0;
	snprintf(libraries, sizeof libraries, "%s/../lib", dirname(directory));
	setenv("LD_LIBRARY_PATH", libraries, 1);

	snprintf(named[0], sizeof named[0], "function=%s/function", gateway->directory);
	snprintf(named[1], sizeof named[1], "other=%s/other", gateway->directory);
	snprintf(named[2], sizeof named[2], "missing=%s/missing", gateway->directory);
	snprintf(named[3], sizeof named[3], "words=%s/words", gateway->directory);
	execl("/usr/bin/python3", "python3", program ? program : "tests/gateway/gateway",
	      gateway->log, named[0], named[1], named[2], named[3], NULL);
	die("/usr/bin/python3");
}

static void read_port(struct gateway *gateway, int fd)
{
	FILE *output = fdopen(fd, "r");
	unsigned port, secured_port;

	if (!output || fscanf(output, "ready %u %u", &port, &secured_port) != 2) {
		fprintf(stderr, "the gateway did not start\n");
		exit(2);
	}
	fclose(output);
	snprintf(gateway->base, sizeof gateway->base, "http://127.0.0.1:%u", port);
	snprintf(gateway->secured, sizeof gateway->secured, "https://127.0.0.1:%u", secured_port);
}

void gateway_start(struct gateway *gateway)
{
	int in[2], out[2];

	make_directory(gateway);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		die("pipe2");
	gateway->pid = child_fork();
	if (gateway->pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		exec_gateway(gateway);
	}
	close(in[0]);
	close(out[1]);
	gateway->stdin_fd = in[1];
	read_port(gateway, out[0]);
}

void gateway_stop(struct gateway *gateway)
{
	char command[100];

	close(gateway->stdin_fd);
	waitpid(gateway->pid, NULL, 0);
	snprintf(command, sizeof command, "rm -rf %s", gateway->directory);
	run_shell(command);
}

const char *gateway_url(struct gateway *gateway, const char *kind, const char *name,
			const char *faults, const char *options)
{
	char prefix[100];

	snprintf(prefix, sizeof prefix, "%s%s", *faults ? "/~" : "", faults);
	if (strcmp(kind, "lambda") == 0)
		snprintf(gateway->url, sizeof gateway->url,
			 "lambda:%s?region=eu-west-1&endpoint=%s%s&%s", name, gateway->base, prefix,
			 options);
	else if (strcmp(kind, "kubernetes") == 0)
		snprintf(gateway->url, sizeof gateway->url,
			 "kubernetes:%s?namespace=functions&server=%s%s&token=%s/token"
			 "&authority=%s.crt&%s",
			 name, gateway->secured, prefix, gateway->directory, gateway->log, options);
	else if (strcmp(kind, "podman") == 0)
		snprintf(gateway->url, sizeof gateway->url, "podman:%s%s%s?socket=%s.sock&%s",
			 *prefix ? prefix + 1 : "", *prefix ? "/" : "", name, gateway->log,
			 options);
	else
		snprintf(gateway->url, sizeof gateway->url, "%s%s/%s/%s#%s", gateway->base, prefix,
			 kind, name, options);
	return gateway->url;
}

unsigned gateway_count(const struct gateway *gateway, const char *event)
{
	FILE *log = fopen(gateway->log, "r");
	unsigned count = 0;
	char line[256];

	while (log && fgets(line, sizeof line, log))
		count += strncmp(line, event, strlen(event)) == 0;
	if (log)
		fclose(log);
	return count;
}
