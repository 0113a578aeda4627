/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/log.h"
#include "lib/core/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define TEXT_BYTES    512
#define ESCAPED_BYTES (4 * TEXT_BYTES + 1)

static enum log_level log_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	log_level = level;
}

/*
 * A text stays on one line, and a terminal obeys none of it, whatever it contains, such as names
 * and sentences of clients: a log is ASCII, and every other byte is \xNN, as is a backslash. Cut at
 * TEXT_BYTES.
 */
static const char *escape(const char *text, char escaped[static ESCAPED_BYTES])
{
	char *to = escaped;

	for (size_t i = 0; text[i] && i < TEXT_BYTES; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte < 0x20 || byte > 0x7e || byte == '\\')
			to += sprintf(to, "\\x%02x", byte);
		else
			*to++ = (char)byte;
	}
	*to = 0;
	return escaped;
}

void log_failure(const char *reason)
{
	char escaped[ESCAPED_BYTES];

	fprintf(stderr, "storaged: %s\n", escape(reason, escaped));
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	struct timespec now;
	struct tm calendar;
	char time_text[32], text[TEXT_BYTES], escaped[ESCAPED_BYTES];
	va_list arguments;

	if (level > log_level)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &calendar);
	strftime(time_text, sizeof time_text, "%Y-%m-%dT%H:%M:%S", &calendar);
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	/* One call, so that the lines of several processes on one terminal stay whole. */
	fprintf(stderr, "%s.%03ldZ storaged %s: %s\n", time_text, now.tv_nsec / 1000000,
		names[level], escape(text, escaped));
}

bool log_limit_allows(struct log_limit *limit, enum log_level level)
{
	int64_t now_ns = clock_now_ns();

	if (level > log_level)
		return false;
	if (now_ns >= limit->window_end_ns) {
		if (limit->suppressed)
			log_warning("%u more lines like the next one were kept back",
				    limit->suppressed);
		*limit = (struct log_limit){.window_end_ns = now_ns + LOG_LIMIT_WINDOW_NS};
	}
	if (limit->count < LOG_LIMIT_COUNT) {
		limit->count++;
		return true;
	}
	limit->suppressed++;
	return false;
}
