/* SPDX-License-Identifier: Apache-2.0 */
/* The transports that a test tries: those that need no device, or those of its command line. */
#ifndef TESTS_TRANSPORTS_H
#define TESTS_TRANSPORTS_H

#define TRANSPORTS_MAX 8

static const char *transports[TRANSPORTS_MAX] = {"shm", "roce", "tcp"};
static int transport_count = 3;

static inline void transports_choose(int argc, char **argv)
{
	for (int i = 1; i < argc && i <= TRANSPORTS_MAX; i++)
		transports[(transport_count = i) - 1] = argv[i];
}

#endif
