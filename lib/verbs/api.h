/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of libibverbs.so.1 and librdmacm.so.1 that this folder calls, loaded when first
 * needed: verbs_api.ibv.reg_mr is ibv_reg_mr, verbs_api.cm.connect is rdma_connect. What rdma-core
 * defines inline (ibv_post_send, ibv_poll_cq, ibv_req_notify_cq) goes through the device's own
 * table and needs no library.
 *
 * rdma-core wraps some of these names in macros (ibv_reg_mr, ibv_query_port), hence the shorter
 * ones.
 */
#ifndef LIB_VERBS_API_H
#define LIB_VERBS_API_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

/* X(name here, name in the library) */
#define VERBS_API_IBV(X)                                  \
	X(ack_async_event, ibv_ack_async_event)           \
	X(ack_cq_events, ibv_ack_cq_events)               \
	X(alloc_pd, ibv_alloc_pd)                         \
	X(create_comp_channel, ibv_create_comp_channel)   \
	X(create_cq, ibv_create_cq)                       \
	X(create_qp, ibv_create_qp)                       \
	X(dealloc_pd, ibv_dealloc_pd)                     \
	X(dereg_mr, ibv_dereg_mr)                         \
	X(destroy_comp_channel, ibv_destroy_comp_channel) \
	X(destroy_cq, ibv_destroy_cq)                     \
	X(destroy_qp, ibv_destroy_qp)                     \
	X(fork_init, ibv_fork_init)                       \
	X(get_async_event, ibv_get_async_event)           \
	X(get_cq_event, ibv_get_cq_event)                 \
	X(get_device_name, ibv_get_device_name)           \
	X(modify_qp, ibv_modify_qp)                       \
	X(query_device, ibv_query_device)                 \
	X(query_gid_ex, _ibv_query_gid_ex)                \
	X(query_port, ibv_query_port)                     \
	X(reg_mr, ibv_reg_mr)                             \
	X(wc_status_str, ibv_wc_status_str)

#define VERBS_API_CM(X)                                      \
	X(accept, rdma_accept)                               \
	X(ack_cm_event, rdma_ack_cm_event)                   \
	X(bind_addr, rdma_bind_addr)                         \
	X(connect, rdma_connect)                             \
	X(create_event_channel, rdma_create_event_channel)   \
	X(create_id, rdma_create_id)                         \
	X(create_qp, rdma_create_qp)                         \
	X(destroy_event_channel, rdma_destroy_event_channel) \
	X(destroy_id, rdma_destroy_id)                       \
	X(destroy_qp, rdma_destroy_qp)                       \
	X(disconnect, rdma_disconnect)                       \
	X(event_str, rdma_event_str)                         \
	X(get_cm_event, rdma_get_cm_event)                   \
	X(get_src_port, rdma_get_src_port)                   \
	X(listen, rdma_listen)                               \
	X(reject, rdma_reject)                               \
	X(resolve_addr, rdma_resolve_addr)                   \
	X(resolve_route, rdma_resolve_route)                 \
	X(set_option, rdma_set_option)

#define X(name, symbol) __typeof__(symbol) *name;
struct verbs_api {
	struct {
		VERBS_API_IBV(X)
	} ibv;
	struct {
		VERBS_API_CM(X)
	} cm;
};
#undef X

/* Valid after verbs_api_load has returned 0. */
extern struct verbs_api verbs_api;

/*
 * Load both libraries, once a process; any thread may call it at any time. Returns 0, or
 * -EOPNOTSUPP with a sentence in @reason: they cannot be loaded, or were before a fork that made
 * this process.
 */
int verbs_api_load(char *reason, size_t reason_bytes);

/*
 * What to add to the sentence about memory that could not be registered with @error (positive).
 * Locked memory counts against a limit for every user but root, and both errors most often mean
 * that limit.
 */
const char *verbs_memory_hint(int error);

#endif
