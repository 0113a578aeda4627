/* SPDX-License-Identifier: Apache-2.0 */
/* What a bystander in another namespace notices while clients load storaged. */
#ifndef PERF_HOSTILE_H
#define PERF_HOSTILE_H

/* dso-perf hostile LOAD BYSTANDER-URL LOAD-URL [--json]: run the load, and print one row.
 * perf/hostile runs them all. Returns 0, or 1 after saying why on stderr. */
int hostile_main(int argc, char **argv);

#endif
