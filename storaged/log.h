/* SPDX-License-Identifier: Apache-2.0 */
/* Lines to standard error, with time and level. Only the main thread logs. */
#ifndef STORAGED_LOG_H
#define STORAGED_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_set_level(enum log_level level);

/* Say why storaged cannot start, without time and level: for the person who starts it. */
void log_failure(const char *reason);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *format, ...);

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A client must not be able to fill the disk: at most LOG_LIMIT_COUNT lines a window from one
 * place. */
#define LOG_LIMIT_COUNT     10
#define LOG_LIMIT_WINDOW_NS INT64_C(10000000000)

struct log_limit {
	int64_t window_end_ns;
	unsigned count;
	unsigned suppressed;
};

/* Whether this place may log a line of @level now; logs how many it kept back in the window before.
 * Lines of a level that is not logged do not count. */
bool log_limit_allows(struct log_limit *limit, enum log_level level);

#define log_limited(level, ...)                           \
	do {                                              \
		static struct log_limit limit_here;       \
		if (log_limit_allows(&limit_here, level)) \
			log_line(level, __VA_ARGS__);     \
	} while (0)

#endif
