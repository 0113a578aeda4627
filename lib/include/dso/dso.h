/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso/dso.h - libdso-rdma: shared memory of a storage host, for functions.
 *
 * A session connects to storaged and gives access to named objects in its memory: counters,
 * registers, and memory of one's own. Operations on them are one-sided (READ, WRITE,
 * compare-and-swap, fetch-and-add): over RDMA no code runs on the storage host.
 *
 * Returns: 0 or a negative errno. dso_error() is the sentence behind the last failure of a session.
 * Outputs are named ret_*, come last, may be NULL when not wanted and are not touched on failure,
 * except where it is said. A function that opens something has nowhere to put it then, and returns
 * -EINVAL.
 *
 * Threads: a session and every handle opened in it are used by one thread at a time; several
 * sessions may be open in a process, each used by a thread of its own at the same time. Another
 * thread may take a session over while nothing submitted is outstanding. With DSO_CHECK=1 in the
 * environment two threads that are in one session at the same time end the process, with a sentence
 * on stderr that names what both have called: for tests. dso_interrupt() alone is any thread's.
 *
 * fork(): a session stays the parent's. In the child each function that is called for it does
 * nothing and returns -ENOTCONN, or what is wrong with its arguments; dso_close() frees the child's
 * memory. What the parent submitted is executed once, by the parent. The child opens sessions of
 * its own (over verbs only where its parent had none); an embedded store that it opens is its own
 * too. exec() leaves nothing of a session.
 *
 * Order: the operations of a session are executed in the order in which they were called,
 * synchronous and submitted ones alike. Others see them in that order, but for one case: over shm,
 * and in an embedded store, a READ may be executed before another session sees a WRITE that came
 * before it, as a processor does with its own loads and stores. An atomic between the two, of any
 * word, prevents that.
 *
 * Errors that any operation on an object can return, beside its own:
 * 	-ESTALE      the object was deleted
 * 	-ESHUTDOWN   storaged has ended the session (it was silent for longer than the TTL, or
 * 		     storaged shuts down); nothing was done
 * 	-ENOTCONN    the connection was lost before; nothing was done
 * 	-ECONNRESET  the connection was lost, storaged fell silent, or its RDMA device failed,
 * 		     while the operation was under way: it may or may not have been executed. It is
 * 		     never repeated by the library, but for reads and the like under the option
 * 		     renew.
 * After the last three the session is over: dso_renew() begins a new one under the same handles. It
 * is over, too, after two errors of any call that asks storaged over the control connection:
 * 	-ETIMEDOUT   storaged has answered neither that nor a heartbeat within the session's
 * 		     timeout; where it answers heartbeats it is waited for
 * 	-EPROTO      what storaged answered breaks the protocol
 * What else an error means, where a function names it and says no more:
 * 	-EINVAL        an argument is none that it may be, as an empty name
 * 	-ENAMETOOLONG  a name has more than DSO_NAME_BYTES_MAX bytes
 * 	-EMFILE        this process has as many descriptors as it may
 * 	-ENOMEM        this process gets no more memory
 */
#ifndef DSO_DSO_H
#define DSO_DSO_H

#include "async.h"
#include "base.h"
#include "coordination.h"
#include "data.h"
#include "objects.h"
#include "session.h"

#endif
