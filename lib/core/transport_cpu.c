/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of memory that is mapped here: this CPU executes. It serves `shm` (storaged's
 * memfd), `embedded:` (the store in this process) and storaged itself in the atomicity domain
 * `cpu`.
 */
#include "lib/core/region.h"
#include "lib/core/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct transport_cpu {
	struct transport_base base;
	uint8_t *memory;
	uint64_t bytes;
	/* shm: while the lease is mapped, storaged takes the memory for mapped; or NULL */
	void *lease;
	/* to storaged; when it ends, storaged looks whether this process has unmapped; -1: none */
	int connection;
};

static int cpu_execute(struct transport *transport, struct op *op)
{
	struct transport_cpu *cpu = (struct transport_cpu *)transport;
	uint8_t *at = cpu->memory + op->offset;

	if (!data_is_inside(op->offset, op->length_bytes, cpu->bytes))
		return -ERANGE;
	switch (op->opcode) {
	case DATA_FAA:
		if (op->offset % 8)
			return -EINVAL;
		op->value = region_execute_faa(at, op->operand);
		return 0;
	case DATA_CAS:
		if (op->offset % 8)
			return -EINVAL;
		op->value = region_execute_cas(at, op->operand, op->swap);
		return 0;
	case DATA_READ:
		region_execute_read(at, op->buffer, op->length_bytes);
		return 0;
	case DATA_WRITE:
		region_execute_write(at, op->buffer, op->length_bytes);
		return 0;
	}
	return -EINVAL;
}

static int cpu_cas(struct transport *transport, uint64_t offset, uint64_t expected, uint64_t value,
		   uint64_t *ret_before)
{
	struct transport_cpu *cpu = (struct transport_cpu *)transport;

	if (!data_is_inside(offset, 8, cpu->bytes))
		return -ERANGE;
	if (offset % 8)
		return -EINVAL;
	*ret_before = region_execute_cas(cpu->memory + offset, expected, value);
	return 0;
}

static uint8_t *cpu_at(struct transport *transport, uint64_t offset, uint64_t length_bytes)
{
	struct transport_cpu *cpu = (struct transport_cpu *)transport;

	return data_is_inside(offset, length_bytes, cpu->bytes) ? cpu->memory + offset : NULL;
}

static void shm_detach(struct transport *transport)
{
	struct transport_cpu *cpu = (struct transport_cpu *)transport;

	if (!cpu->memory)
		return;
	munmap(cpu->memory, cpu->bytes);
	cpu->memory = NULL;
	/* In this order: as soon as the lease is unmapped, storaged gives the memory to others. */
	if (cpu->lease)
		munmap(cpu->lease, TRANSPORT_LEASE_BYTES);
	/* Processes that this one has started may have a copy of the descriptor. */
	shutdown(cpu->connection, SHUT_RDWR);
	close(cpu->connection);
}

static void shm_close(struct transport *transport)
{
	shm_detach(transport);
	free(transport);
}

static void cpu_close(struct transport *transport)
{
	free(transport);
}

/* The mapping is not there: see MADV_DONTFORK in lib/transports/shm.c, and embedded_detach. */
static void cpu_forget(struct transport *transport)
{
	struct transport_cpu *cpu = (struct transport_cpu *)transport;

	if (cpu->connection >= 0)
		close(cpu->connection);
	free(transport);
}

static const struct transport_ops cpu_ops = {
	.name = "embedded",
	.close = cpu_close,
	.forget = cpu_forget,
	.execute = cpu_execute,
	.cas = cpu_cas,
	.at = cpu_at,
};

static const struct transport_ops shm_ops = {
	.name = "shm",
	.detach = shm_detach,
	.close = shm_close,
	.forget = cpu_forget,
	.execute = cpu_execute,
	.cas = cpu_cas,
	.at = cpu_at,
};

static int cpu_new(const struct transport_ops *ops, void *memory, uint64_t bytes, void *lease,
		   int connection, struct transport **ret_transport)
{
	struct transport_cpu *cpu = malloc(sizeof *cpu);

	if (!cpu)
		return -ENOMEM;
	*cpu = (struct transport_cpu){{ops}, memory, bytes, lease, connection};
	*ret_transport = (struct transport *)cpu;
	return 0;
}

int transport_cpu_open(void *base, uint64_t bytes, struct transport **ret_transport)
{
	return cpu_new(&cpu_ops, base, bytes, NULL, -1, ret_transport);
}

int transport_cpu_adopt(void *base, uint64_t bytes, void *lease, int connection,
			struct transport **ret_transport)
{
	return cpu_new(&shm_ops, base, bytes, lease, connection, ret_transport);
}
