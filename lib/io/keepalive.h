/* SPDX-License-Identifier: Apache-2.0 */
/* Keep a TCP connection open on which nothing is sent for long, and notice its end. Address
 * translators and firewalls drop idle connections, the stricter of them after a minute. */
#ifndef LIB_IO_KEEPALIVE_H
#define LIB_IO_KEEPALIVE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define KEEPALIVE_IDLE_S     20
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES     4 /* that are not answered */

/* Does nothing for a unix socket, which is never dropped. */
static inline void keep_alive(int fd)
{
	const struct {
		int level, option, value;
	} settings[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
			{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
			{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
			{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES}};

	for (unsigned i = 0; i < sizeof settings / sizeof *settings; i++)
		setsockopt(fd, settings[i].level, settings[i].option, &settings[i].value,
			   sizeof settings[i].value);
}

#endif
