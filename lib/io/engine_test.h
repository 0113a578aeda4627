/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the engines share; each runs over the engine that main was told. */
#ifndef LIB_IO_ENGINE_TEST_H
#define LIB_IO_ENGINE_TEST_H

#include "lib/core/clock.h"
#include "lib/io/engine.h"

#include <check.h>

#define MILLISECOND_NS  INT64_C(1000000)
#define HANG_TIMEOUT_NS (120000 * MILLISECOND_NS) /* a limit that only a hang reaches */

extern const char *engine_name;
extern struct io_engine *engine;
extern const struct io_engine_ops *ops;

void open_engine(unsigned stream_count_max);

/* Two ends of a connection, both known to the engine. */
struct link {
	struct io_stream end[2];
};

void link_unix(struct link *link);
void link_tcp(struct link *link);
void unlink_both(struct link *link);

/* The next event, which must come. */
struct io_event next_event(void);
void expect_event(const struct io_stream *stream, enum io_kind kind, int result);
void expect_nothing(void);

/* One busy poll that finds nothing. */
void look_once(void);

/* Take events, by busy polling, until the streams have nothing pending; all must succeed. */
void settle(struct io_stream *const *streams, unsigned count);

void fill_random(uint8_t *bytes, size_t count, uint64_t *state);

void add_stream_tests(TCase *tests);
void add_cancel_tests(TCase *tests);
void add_wait_tests(TCase *tests);
void add_thread_tests(TCase *tests);
void add_random_tests(TCase *tests);

#endif
