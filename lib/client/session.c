/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client/session.h"

#include <stdarg.h>
#include <stdio.h>

int session_fail(struct dso_session *session, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(session->error, sizeof session->error, format, arguments);
	va_end(arguments);
	return error;
}

void session_report(struct dso_session *session, const char *name, bool chosen, const char *format,
		    ...)
{
	struct dso_transport_report *report = &session->reports[session->report_count];
	va_list arguments;

	if (session->report_count == TRANSPORT_REPORTS_MAX)
		return;
	session->report_count++;
	report->name = name;
	report->chosen = chosen;
	va_start(arguments, format);
	vsnprintf(report->reason, sizeof report->reason, format, arguments);
	va_end(arguments);
}

void session_lose(struct dso_session *session, int health, const char *reason)
{
	pthread_mutex_lock(&session->lock);
	if (atomic_load(&session->health) == 0) {
		snprintf(session->lost_reason, sizeof session->lost_reason, "%s", reason);
		atomic_store(&session->health, health);
	}
	pthread_mutex_unlock(&session->lock);
}

void dso_interrupt(struct dso_session *session)
{
	atomic_store(&session->interrupted, true);
	pthread_mutex_lock(&session->interrupt_lock);
	session->directory->interrupt(session);
	pthread_mutex_unlock(&session->interrupt_lock);
}

const char *dso_transport(const struct dso_session *session)
{
	return transport_ops(session->transport)->name;
}

const char *dso_url(const struct dso_session *session)
{
	return session->settings.url; /* session->url may be cut */
}

const char *dso_version(void)
{
	return DSO_VERSION;
}
