/* SPDX-License-Identifier: Apache-2.0 */
/* A round: some clients call one new object at the same time, and what they did is written down. */
#ifndef TESTS_LINEARIZABILITY_ROUND_H
#define TESTS_LINEARIZABILITY_ROUND_H

#include "tests/linearizability/clients.h"

struct round {
	const struct object_kind *kind;
	unsigned clients; /* CLIENTS_MAX at most */
	unsigned seed;    /* of everything that is drawn */
	bool deadly;      /* the first client is a process of its own, and is killed */
	void (*fault)(struct client *client, struct operation *operations); /* or NULL */
};

/* Begin and end the threads that take part in rounds over @transport, each with a session of its
 * own. What cannot be begun ends the test program with a sentence. */
void round_hands_begin(const char *url, const char *transport);
void round_hands_end(void);

/* Run it. *ret_history is valid until the next round. */
void round_run(const struct round *round, struct history *ret_history);

/* main() of the client that is killed, where @argv says that it is one. Else it returns. */
void round_be_victim(int argc, char **argv);

#endif
