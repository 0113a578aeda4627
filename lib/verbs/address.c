/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/verbs/address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

static bool usable(const struct ifaddrs *interface)
{
	const struct sockaddr *address = interface->ifa_addr;

	if (!address || !(interface->ifa_flags & IFF_UP) || interface->ifa_flags & IFF_LOOPBACK)
		return false;
	if (address->sa_family == AF_INET)
		return true;
	/* A link-local address is of no use to a client without the name of the client's own
	 * interface. */
	return address->sa_family == AF_INET6 &&
	       !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

int verbs_each_address(struct rdma_event_channel *channel,
		       int (*each)(void *context, struct rdma_cm_id **id,
				   const struct sockaddr *address),
		       void *context)
{
	struct ifaddrs *interfaces;
	int status = 0;

	if (getifaddrs(&interfaces))
		return -errno;
	for (struct ifaddrs *at = interfaces; at && status == 0; at = at->ifa_next) {
		struct rdma_cm_id *id;

		if (!usable(at))
			continue;
		if (verbs_api.cm.create_id(channel, &id, NULL, RDMA_PS_TCP)) {
			status = -errno;
			break;
		}
		/* Binding finds the device that has the address, if any. */
		if (verbs_api.cm.bind_addr(id, at->ifa_addr) == 0 && id->verbs)
			status = each(context, &id, at->ifa_addr);
		if (id)
			verbs_api.cm.destroy_id(id);
	}
	freeifaddrs(interfaces);
	return status;
}

socklen_t verbs_address_with_port(struct sockaddr_storage *ret_address,
				  const struct sockaddr *address, uint16_t port)
{
	memset(ret_address, 0, sizeof *ret_address);
	if (address->sa_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ret_address;

		*in = *(const struct sockaddr_in *)address;
		in->sin_port = htons(port);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

	*in6 = *(const struct sockaddr_in6 *)address;
	in6->sin6_port = htons(port);
	return sizeof *in6;
}

int verbs_address_parse(const char *text, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;

	if (getaddrinfo(text, NULL, &hints, &found))
		return -EINVAL;
	verbs_address_with_port(ret_address, found->ai_addr, port);
	freeaddrinfo(found);
	return 0;
}
