/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YCSB's core workloads (B. Cooper et al., "Benchmarking cloud serving systems with YCSB", SoCC'10)
 * A, B, C, D and F: what a client does next, and with which key.
 *
 * Popularity is zipfian with 0.99, drawn as by J. Gray et al., "Quickly generating billion-record
 * synthetic databases" (SIGMOD'94), and scattered over the keys by FNV-1a, as YCSB's
 * ScrambledZipfianGenerator does; or uniform. In D the newest keys are the popular ones.
 */
#ifndef PERF_WORKLOAD_H
#define PERF_WORKLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum workload_operation { WORKLOAD_READ, WORKLOAD_UPDATE, WORKLOAD_INSERT, WORKLOAD_MODIFY };

/* What all clients have in common. */
struct workload {
	char letter; /* A, B, C, D or F */
	bool is_uniform;
	uint64_t keys;            /* that are loaded */
	_Atomic uint64_t present; /* those, and what was inserted since */
	double theta, zeta, alpha, eta;
};

/* Whether there is such a workload. */
bool workload_begin(struct workload *workload, char letter, bool is_uniform, uint64_t keys);

/* The next operation of a client that draws from *state, and its key. */
enum workload_operation workload_next(struct workload *workload, uint64_t *state,
				      uint64_t *ret_key);

#define WORKLOAD_KEY_BYTES 24

/* The name of a key, as YCSB has it: "user" and a number that scatters. Returns its length. */
unsigned workload_key(uint64_t number, char name[WORKLOAD_KEY_BYTES]);

#endif
