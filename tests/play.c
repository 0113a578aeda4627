/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/play.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool take(int fd, void *bytes, size_t count)
{
	/* To receive nothing is to wait for the next message. */
	return count == 0 || recv(fd, bytes, count, MSG_WAITALL) == (ssize_t)count;
}

bool give(int fd, const void *bytes, size_t count)
{
	return send(fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count;
}

bool reply(int fd, const struct control_header *request, uint16_t status, const void *body,
	   uint32_t bytes)
{
	uint8_t message[sizeof(struct control_header) + CONTROL_BODY_BYTES_MAX];
	struct control_header header = control_header_of(le16_get(request->type), status,
							 le32_get(request->request), bytes);

	memcpy(message, &header, sizeof header);
	if (bytes)
		memcpy(message + sizeof header, body, bytes);
	return give(fd, message, sizeof header + bytes);
}

struct listener {
	int fd;
	play_server *serve;
};

static void *accept_all(void *argument)
{
	const struct listener *listener = argument;
	pthread_t thread;
	int fd;

	while ((fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		if (pthread_create(&thread, NULL, listener->serve, (void *)(intptr_t)fd) == 0)
			pthread_detach(thread);
	return NULL;
}

bool play_at(int fd, const void *address, socklen_t bytes, play_server *serve)
{
	struct listener *listener = malloc(sizeof *listener);
	pthread_t thread;

	if (!listener)
		return false;
	*listener = (struct listener){fd, serve};
	return fd >= 0 && bind(fd, address, bytes) == 0 && listen(fd, 64) == 0 &&
	       pthread_create(&thread, NULL, accept_all, listener) == 0;
}

const char *play_over_tcp(play_server *serve)
{
	static char url[64];
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (!play_at(fd, &address, bytes, serve) ||
	    getsockname(fd, (struct sockaddr *)&address, &bytes))
		return NULL;
	snprintf(url, sizeof url, "dso://127.0.0.1:%u", ntohs(address.sin_port));
	return url;
}
