/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/baseline.h"
#include "perf/clock.h"
#include "tools/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define SILENCE_NS       (5 * DSO_SECOND)
#define ADAPTIVE_SPIN_NS 50000
#define SPINS_A_CLOCK    64
#define WARM_UP_MESSAGES 50

/* The first byte of a message. */
enum { MORE_FOLLOW = 0, LAST_OF_ROUND = 1 };

/* Sleep until there is something to read. Returns 0 or a negative errno. */
static int sleep_until_readable(int socket, int timeout_ms)
{
	struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
	int r = poll(&poll_fd, 1, timeout_ms);

	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : errno == EINTR ? 0 : -errno;
}

/* Receive @length bytes, waiting as @how says. Returns 0 or a negative errno. */
static int receive(int socket, uint8_t *bytes, size_t length, enum poll_policy how)
{
	int64_t begin_ns = 0;
	unsigned spins = 0;

	while (length) {
		ssize_t n = recv(socket, bytes, length, MSG_DONTWAIT);
		bool sleep = how == POLL_BLOCK;

		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
			continue;
		}
		if (n == 0)
			return -ECONNRESET;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		if (!sleep && ++spins % SPINS_A_CLOCK == 0) {
			int64_t now_ns = clock_ns();

			begin_ns = begin_ns ? begin_ns : now_ns;
			if (now_ns - begin_ns > SILENCE_NS)
				return -ETIMEDOUT;
			sleep = how == POLL_ADAPTIVE && now_ns - begin_ns > ADAPTIVE_SPIN_NS;
			/* Processes that sleep now and then may be put on one processor: there a
			 * spinning process would hold up the very answer that it waits for. */
			if (how == POLL_ADAPTIVE)
				sched_yield();
		}
		if (sleep) {
			int r = sleep_until_readable(socket, (int)(SILENCE_NS / 1000000));

			if (r)
				return r;
		}
	}
	return 0;
}

static int send_all(int socket, const uint8_t *bytes, size_t length)
{
	while (length) {
		ssize_t n = send(socket, bytes, length, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

/* Send everything that comes over @socket back, until the other side closes. The first thing to
 * come is the length of its messages. */
static void echo(int socket, enum poll_policy how)
{
	uint64_t message_bytes = 0;
	uint8_t *message = NULL;
	int one = 1, r;

	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	r = receive(socket, (uint8_t *)&message_bytes, sizeof message_bytes, POLL_BLOCK);
	if (r == 0 && message_bytes >= 1 && message_bytes <= SIZE_BYTES_MAX)
		message = malloc(message_bytes);
	while (message && r == 0 && !stopped()) {
		r = sleep_until_readable(socket, -1);
		do {
			r = r ? r : receive(socket, message, message_bytes, how);
			r = r ? r : send_all(socket, message, message_bytes);
		} while (r == 0 && message[0] == MORE_FOLLOW);
	}
	free(message);
	close(socket);
}

__attribute__((noreturn)) static void be_child(int listener, enum poll_policy how)
{
	signal(SIGINT, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	echo(accept4(listener, NULL, NULL, SOCK_CLOEXEC), how);
	_exit(0);
}

/* Parse IP[:PORT]. Returns 0 or -EINVAL. */
static int parse_address(const char *text, struct sockaddr_in *ret_at)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	char ip[INET_ADDRSTRLEN] = "";
	size_t ip_bytes = strcspn(text, ":");
	uint64_t port = 0;

	if (ip_bytes >= sizeof ip)
		return -EINVAL;
	memcpy(ip, text, ip_bytes);
	if (inet_pton(AF_INET, ip, &at.sin_addr) != 1 ||
	    (text[ip_bytes] && parse_number(text + ip_bytes + 1, 1, UINT16_MAX, &port)))
		return -EINVAL;
	at.sin_port = htons((uint16_t)port);
	*ret_at = at;
	return 0;
}

/* Returns the socket or a negative errno. @at gets the port. */
static int listen_at(struct sockaddr_in *at)
{
	socklen_t bytes = sizeof *at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (listener < 0)
		return -errno;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)at, sizeof *at) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)at, &bytes)) {
		int r = -errno;

		close(listener);
		return r;
	}
	return listener;
}

static int connect_to(const struct sockaddr_in *at)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)at, sizeof *at) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

/* Start the child at @at, which then has the child's port. */
static int start_child(struct baseline *baseline, const struct settings *settings,
		       struct sockaddr_in *at)
{
	int listener = listen_at(at), r;

	if (listener < 0)
		return listener;
	baseline->pid = fork();
	if (baseline->pid == 0)
		be_child(listener, settings->server_poll);
	r = baseline->pid < 0 ? -errno : 0;
	baseline->pid = r ? 0 : baseline->pid;
	close(listener);
	return r;
}

int baseline_start(struct baseline *baseline, const struct settings *settings)
{
	uint64_t message_bytes = settings->size_bytes > 8 ? settings->size_bytes : 8;
	struct sockaddr_in at;
	int r;

	*baseline = (struct baseline){
		.socket = -1, .poll = settings->poll, .message_bytes = message_bytes};
	if (!settings->baseline_address)
		return 0;
	r = parse_address(settings->baseline_address, &at);
	baseline->message = calloc(1, baseline->message_bytes);
	if (!baseline->message)
		r = -ENOMEM;
	if (r == 0 && !at.sin_port)
		r = start_child(baseline, settings, &at);
	if (r == 0) {
		baseline->socket = connect_to(&at);
		r = baseline->socket < 0 ? baseline->socket : 0;
	}
	if (r == 0)
		r = send_all(baseline->socket, (uint8_t *)&message_bytes, sizeof message_bytes);
	if (r) {
		fprintf(stderr, "dso-perf: cannot start the baseline on %s: %s\n",
			settings->baseline_address, strerror(-r));
		baseline_stop(baseline);
	}
	return r;
}

int baseline_serve(const struct settings *settings)
{
	struct sockaddr_in at;
	char ip[INET_ADDRSTRLEN];
	int listener, r = parse_address(settings->baseline_address, &at);

	listener = r ? r : listen_at(&at);
	if (listener < 0) {
		fprintf(stderr, "dso-perf: cannot listen at %s: %s\n", settings->baseline_address,
			strerror(-listener));
		return listener;
	}
	printf("echo at %s:%u\n", inet_ntop(AF_INET, &at.sin_addr, ip, sizeof ip),
	       ntohs(at.sin_port));
	fflush(stdout);
	while (!stopped()) {
		int socket = sleep_until_readable(listener, -1) || stopped()
				     ? -1
				     : accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (socket >= 0)
			echo(socket, settings->server_poll);
	}
	close(listener);
	return 0;
}

static int ping_pong(struct baseline *baseline, uint8_t first_byte, int64_t *ret_took_ns)
{
	int64_t begin_ns = clock_ns();
	int r;

	baseline->message[0] = first_byte;
	r = send_all(baseline->socket, baseline->message, baseline->message_bytes);
	if (r == 0)
		r = receive(baseline->socket, baseline->message, baseline->message_bytes,
			    baseline->poll);
	*ret_took_ns = clock_ns() - begin_ns;
	return r;
}

int baseline_round(struct baseline *baseline, int64_t until_ns)
{
	int64_t took_ns;
	unsigned warm_up = WARM_UP_MESSAGES;
	int r = 0;

	if (baseline->socket < 0)
		return 0;
	while (r == 0 && !stopped() && clock_ns() < until_ns) {
		r = ping_pong(baseline, MORE_FOLLOW, &took_ns);
		if (warm_up)
			warm_up--;
		else if (r == 0)
			histogram_add(&baseline->round_trips, (uint64_t)took_ns * 1000);
	}
	if (r == 0)
		r = ping_pong(baseline, LAST_OF_ROUND, &took_ns);
	if (r)
		fprintf(stderr, "dso-perf: the baseline failed: %s\n", strerror(-r));
	return r;
}

void baseline_stop(struct baseline *baseline)
{
	if (baseline->socket >= 0)
		close(baseline->socket);
	if (baseline->pid) {
		kill(baseline->pid, SIGKILL);
		waitpid(baseline->pid, NULL, 0);
	}
	free(baseline->message);
	baseline->socket = -1;
	baseline->pid = 0;
	baseline->message = NULL;
}
