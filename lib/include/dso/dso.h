/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dso/dso.h - libdso-rdma: shared memory of a storage host, for functions.
 *
 * A session connects to storaged and gives access to named objects in its memory: counters,
 * registers, plain memory, queues, maps and sets, aggregators, and locks and their kin; and it
 * makes threads into functions. Operations on them are one-sided (READ, WRITE, compare-and-swap,
 * fetch-and-add): over RDMA no code runs on the storage host.
 *
 * Results: a function that can fail returns 0 or a negative errno. dso_error() is the sentence
 * behind the last failure of a session. Outputs are named ret_*, come last, may be NULL when they
 * are not wanted, and are not touched on failure unless the function says so. A function that opens
 * something needs a place for the handle: without one it returns -EINVAL.
 *
 * Arguments: durations are nanoseconds, lengths and offsets bytes. The library copies names, URLs,
 * options and parameters, and keeps no pointer to them. A member called reserved has to be zero in
 * what a function is given, where its comment says so: anything else is refused with -EINVAL. A
 * buffer stays the caller's; the library is done with it when the call returns, but for a submitted
 * operation, which has it until its completion was reaped. A session or handle is NULL only where
 * the function says so.
 *
 * Threads: a session and every handle opened in it are used by one thread at a time. A process may
 * have several sessions, each used by a thread of its own at the same time. Another thread may take
 * a session over while nothing submitted is outstanding. dso_interrupt() alone may be called by any
 * thread at any time. With DSO_CHECK=1 in the environment, which is for tests, two threads in one
 * session at the same time end the process, with a sentence on stderr that names the functions that
 * both have called. One thread of the library per process, with all signals blocked, sends
 * heartbeats to storaged. So a program that makes no calls keeps its session; a process that is
 * stopped loses it after the TTL. While dso_open() resolves a host's name another thread may do
 * that, which goes on where it is too slow.
 *
 * Blocking: a function that reaches storaged or its memory waits for the answer. It fails when
 * storaged has been silent for the session's timeout, or the data path alone for longer. A function
 * that takes a timeout waits for others, too: for that long at most. Functions that reach nothing
 * say that they do not block.
 *
 * fork(): a session stays the parent's. In the child a function that is called for it does nothing
 * and returns -ENOTCONN, or what is wrong with its arguments; dso_close() frees the child's memory.
 * What the parent submitted is executed once, by the parent. The child opens sessions of its own
 * (over verbs only where its parent had none); an embedded store that it opens is its own, too.
 * exec() leaves nothing of a session.
 *
 * Order: the operations of a session are executed in the order in which they were called,
 * synchronous and submitted ones alike. Other sessions see them in that order, with one exception:
 * over shm, and in an embedded store, a READ may be executed before another session sees a WRITE
 * that came before it, because a processor reorders its own loads and stores that way. An atomic
 * between the two, of any word, prevents that.
 *
 * Environment: what struct dso_options leaves open is taken from these variables. One that is empty
 * counts as not set.
 * 	DSO_URL              where storaged is, for dso_open() without a URL
 * 	DSO_TRANSPORT        "auto", "shm", "verbs", "roce" or "tcp"
 * 	DSO_DEVICE           the RDMA device to use
 * 	DSO_TIMEOUT_MS       the silence in ms after which storaged is given up, 1 to 3600000
 * 	DSO_OPEN_TIMEOUT_MS  the most that dso_open() may take, in ms, 1 to 3600000
 * 	DSO_POLL             how to wait: "adaptive", "busy" or "block"
 * 	DSO_IO               transport tcp: "auto", "io_uring" or "poll"
 * 	DSO_CHECK            1: end the process where two threads are in one session
 *
 * Errors that any operation on an object can return, beside its own:
 * 	-ESTALE      the object was deleted
 * 	-ESHUTDOWN   storaged has ended the session (it was silent for longer than the TTL, or
 * 		     storaged shuts down); nothing was done
 * 	-ENOTCONN    the connection was lost before; nothing was done
 * 	-ECONNRESET  the connection was lost, storaged fell silent or broke the protocol, or its
 * 		     RDMA device failed, while the operation was under way: it may or may not have
 * 		     been executed. The library never repeats it; under the option renew it
 * 		     repeats reads and the like
 * After the last three the session is over: dso_renew() begins a new one under the same handles.
 * Two errors of the functions that ask storaged over the control connection end it as well:
 * 	-ETIMEDOUT   storaged has answered neither the request nor a heartbeat within the
 * 		     session's timeout (while it answers heartbeats the function waits for it)
 * 	-EPROTO      what storaged answered breaks the protocol
 * So -ETIMEDOUT has two meanings. Of a function that has a timeout, sets a counter, or reads or
 * sets a register it means that others took too long, and the session goes on. Of a function that
 * asks storaged and waits for no others it means that the session is over. dso_ping() tells which
 * it is: it returns -ENOTCONN or -ESHUTDOWN where the session is over.
 * What else an error means, where a function names it and says no more:
 * 	-EINVAL        an argument is out of its range, or a name is empty
 * 	-ENAMETOOLONG  a name has more than DSO_NAME_BYTES_MAX bytes
 * 	-EMFILE        this process has as many descriptors as it may
 * 	-ENOMEM        this process gets no more memory
 */
#ifndef DSO_DSO_H
#define DSO_DSO_H

#include "aggregator.h"
#include "async.h"
#include "base.h"
#include "collections.h"
#include "coordination.h"
#include "data.h"
#include "functions.h"
#include "map.h"
#include "objects.h"
#include "session.h"

#endif
