/* SPDX-License-Identifier: Apache-2.0 */
/* A control connection to a storaged byte by byte, with nothing of the library but proto. What storaged owes and does
 * not send ends the test. */
#ifndef TESTS_RAW_CLIENT_H
#define TESTS_RAW_CLIENT_H

#include "proto/control.h"
#include "tests/daemon.h"

#define PATIENCE_MS 10000 /* for what must happen; far more than it takes */

extern struct daemon_process storaged;

struct message {
	struct control_header header;
	uint8_t body[CONTROL_BODY_BYTES_MAX + 1]; /* zero-terminated */
};

int dial_tcp(void);
int dial_unix(void);

void send_all(int fd, const void *bytes, size_t count);
/* Receive exactly @count bytes. Returns how many came before the end of the stream. */
size_t receive(int fd, void *bytes, size_t count);
bool is_closed(int fd);

/* The next message, false at the end of the stream. */
bool receive_message(int fd, struct message *message);
void send_request(int fd, uint16_t type, const void *body, uint32_t body_bytes);
/* Send a request and receive its reply. Returns its status. */
unsigned call(int fd, uint16_t type, const void *body, uint32_t body_bytes, struct message *reply);

#endif
