/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PERF_ERROR_H
#define PERF_ERROR_H

/* Say on stderr what went wrong. @sentence is libdso-rdma's or storaged's, and a terminal must not
 * obey it. */
void report_error(const char *what, const char *sentence);

#endif
