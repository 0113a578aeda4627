/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock of a test's own process, and so of the library in it, may hurry: a thousand times as
 * fast. For a silence that is certain, of a peer that is frozen or that no packet reaches. Link
 * tests/leap/hurry.c into the program.
 */
#ifndef TESTS_LEAP_HURRY_H
#define TESTS_LEAP_HURRY_H

#include <stdint.h>

/* Of this thread alone, whose clock is then what it was: heartbeats go on as they did. */
void hurry_thread_begin(void);
void hurry_thread_end(void);
/* Of all threads, and those that wait in epoll_wait(). Their clock stays ahead. Not beside an
 * embedded store, which waits by the kernel's. */
void hurry_process_begin(void);
void hurry_process_end(void);
/* They are ahead by @ns at once. May be called in a handler of a signal. */
void hurry_process_leap(int64_t ns);

#endif
