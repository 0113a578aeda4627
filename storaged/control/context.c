/* SPDX-License-Identifier: Apache-2.0 */
#include "storaged/control/context.h"

uint8_t context_transports(const struct context *context, const struct name_space *space)
{
	unsigned possible = CONTROL_TCP;

	if (space->domain == CONTROL_DOMAIN_CPU && context->listeners->unix_socket.path[0])
		possible |= CONTROL_SHM;
	if (space->domain == CONTROL_DOMAIN_DEVICE && context->verbs_accept->listener)
		possible |= CONTROL_VERBS;
	if (space->domain == CONTROL_DOMAIN_DEVICE || context->queue_pairs->port_count)
		possible |= CONTROL_ROCE;
	return (uint8_t)(possible & context->settings->transports);
}
