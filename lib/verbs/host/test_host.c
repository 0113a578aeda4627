/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verbs/host/test_host.h"
#include "lib/verbs/api.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PEERS_MAX 64

_Thread_local char host_reason[256];
char host_breakage[256];

struct server {
	struct verbs_device *device;
	struct verbs_region *region;
	struct verbs_listener *listener;
	struct verbs_peer *peers[PEERS_MAX];
	struct host_answer counts;
};

static struct verbs_region *admit(void *context, const struct verbs_hello *hello, void **ret_owner)
{
	struct server *server = context;

	if (le64_get(hello->session) != HOST_SESSION)
		return NULL;
	for (unsigned i = 0; i < sizeof hello->cookie; i++)
		if (hello->cookie[i] != 0xff)
			return NULL;
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (server->peers[i])
			continue;
		*ret_owner = &server->peers[i];
		server->counts.admitted++;
		return server->region;
	}
	return NULL;
}

static void joined(void *context, void *owner, struct verbs_peer *peer)
{
	struct server *server = context;

	*(struct verbs_peer **)owner = peer;
	server->counts.joined++;
	server->counts.present++;
}

static void left(void *context, void *owner, struct verbs_peer *peer)
{
	struct server *server = context;

	verbs_peer_destroy(peer);
	*(struct verbs_peer **)owner = NULL;
	server->counts.left++;
	server->counts.present--;
}

static int say_nothing(struct rdma_cm_id *id)
{
	id->context = NULL; /* its events are nobody's */
	return 0;
}

static void destroy_peers(struct server *server, bool silently)
{
	struct verbs_api saved = verbs_api;

	if (silently)
		verbs_api.cm.disconnect = verbs_api.cm.destroy_id = say_nothing;
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		if (server->peers[i])
			verbs_peer_destroy(server->peers[i]);
		server->peers[i] = NULL;
	}
	server->counts.present = 0;
	verbs_api = saved;
}

/* In the child. */
static void serve(int socket, uint8_t *memory)
{
	struct verbs_listener_callbacks callbacks = {admit, joined, left};
	struct control_welcome welcome = {.session = le64_of(HOST_SESSION),
					  .region_bytes = le64_of(HOST_REGION_BYTES),
					  .region_address = le64_of((uintptr_t)memory)};
	struct server server = {0};
	char reason[256];

	if (verbs_device_open(NULL, &server.device, reason, sizeof reason) ||
	    verbs_region_register(server.device, memory, HOST_REGION_BYTES, &server.region, reason,
				  sizeof reason) ||
	    verbs_listener_open(server.device, 0, &callbacks, &server, &server.listener, reason,
				sizeof reason)) {
		fprintf(stderr, "%s\n", reason);
		_exit(1);
	}
	welcome.region_rkey = le32_of(verbs_region_rkey(server.region));
	welcome.verbs_port = le16_of(verbs_listener_port(server.listener));
	memset(welcome.cookie, 0xff, sizeof welcome.cookie);
	snprintf((char *)welcome.verbs_address, sizeof welcome.verbs_address, "%s",
		 verbs_device_address(server.device));
	if (send(socket, &welcome, sizeof welcome, 0) < 0)
		_exit(1);
	for (;;) {
		struct pollfd descriptors[2] = {
			{.fd = socket, .events = POLLIN},
			{.fd = verbs_listener_fd(server.listener), .events = POLLIN},
		};
		char command;

		poll(descriptors, 2, -1);
		if (descriptors[1].revents)
			verbs_listener_dispatch(server.listener);
		if (!descriptors[0].revents)
			continue;
		if (recv(socket, &command, 1, 0) != 1)
			break;
		if (command != HOST_COUNTS)
			destroy_peers(&server, command == HOST_DESTROY_SILENTLY);
		send(socket, &server.counts, sizeof server.counts, 0);
	}
	destroy_peers(&server, false);
	verbs_listener_close(server.listener);
	verbs_region_deregister(server.region);
	verbs_device_close(server.device);
	exit(0);
}

struct host host_start(void)
{
	struct host host;
	int sockets[2];

	host.memory = mmap(NULL, HOST_REGION_BYTES, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(host.memory, MAP_FAILED);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	host.pid = child_fork();
	if (host.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sockets[0]);
		serve(sockets[1], host.memory);
	}
	close(sockets[1]);
	host.socket = sockets[0];
	ck_assert_int_eq(recv(host.socket, &host.welcome, sizeof host.welcome, 0),
			 sizeof host.welcome);
	return host;
}

struct host_answer host_command(const struct host *host, enum host_command command)
{
	struct host_answer answer;
	char byte = command;

	ck_assert_int_eq(send(host->socket, &byte, 1, 0), 1);
	ck_assert_int_eq(recv(host->socket, &answer, sizeof answer, 0), sizeof answer);
	return answer;
}

void host_kill(struct host *host)
{
	ck_assert_int_eq(child_kill(host->pid), CHILD_KILLED);
	close(host->socket);
}

static void note_breakage(void *context, const char *why)
{
	(void)context;
	snprintf(host_breakage, sizeof host_breakage, "%s", why);
}

const struct breakage host_notes = {note_breakage, NULL};

int host_connect_with(const struct control_welcome *welcome, enum transport_poll poll,
		      int64_t timeout_ns, const _Atomic int *health,
		      struct transport **ret_transport)
{
	struct attachment attachment = {.welcome = welcome,
					.poll = poll,
					.connect_deadline_ns = test_clock_ns() + timeout_ns,
					.timeout_ns = timeout_ns,
					.health = health,
					.breakage = host_notes,
					.reason = host_reason,
					.reason_bytes = sizeof host_reason};

	host_reason[0] = '\0';
	return transport_verbs_connect(&attachment, ret_transport);
}

struct transport *host_connect(const struct host *host, enum transport_poll poll)
{
	struct transport *transport = NULL;
	int status = host_connect_with(&host->welcome, poll, HOST_TIMEOUT_NS, NULL, &transport);

	ck_assert_msg(status == 0, "%s", host_reason);
	return transport;
}

struct transport *host_connect_with_timeout(const struct host *host, enum transport_poll poll,
					    int64_t timeout_ns)
{
	struct transport *transport = NULL;
	int status = -ETIMEDOUT;

	for (unsigned tries = 0; tries < 10 && status == -ETIMEDOUT; tries++)
		status = host_connect_with(&host->welcome, poll, timeout_ns, NULL, &transport);
	ck_assert_msg(status == 0, "%s", host_reason);
	return transport;
}

int64_t test_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int test_wait(struct transport *transport, struct op *op)
{
	int64_t end = test_clock_ns() + 20 * DSO_SECOND;

	while (op->status == -EINPROGRESS && test_clock_ns() < end)
		transport_ops(transport)->progress(transport, DSO_SECOND);
	return op->status;
}

int test_execute(struct transport *transport, struct op *op)
{
	int status = transport_ops(transport)->submit(transport, op);

	if (status)
		return status;
	transport_ops(transport)->flush(transport);
	return test_wait(transport, op);
}

bool test_have_device(void)
{
	pid_t pid = child_fork();

	if (pid == 0) {
		struct verbs_device *device;
		char reason[256];

		int status = verbs_device_open(NULL, &device, reason, sizeof reason);

		if (status)
			printf("1..0 # SKIP %s\n", reason);
		fflush(stdout);
		_exit(status != 0);
	}
	return child_status(pid) == 0;
}
