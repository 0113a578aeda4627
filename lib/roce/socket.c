/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/roce/socket.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEND_MESSAGES 32

/* What an IPv6 packet has beside its payload: IP, UDP, the longest of our headers, and the ICRC. */
#define PACKET_OVERHEAD (40 + 8 + ROCE_OVERHEAD_BYTES)

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct roce_socket {
	int fd;
	bool connected;
	bool burst;     /* the last receive found a message: more may be there */
	bool full;      /* the kernel took no more */
	bool any;       /* bound to every address of the host: each run names its own */
	bool fragments; /* a packet that is too long for the path is sent in fragments */
	bool narrow;    /* a packet was too long, and was not sent */
	struct roce_address local;
	struct mmsghdr messages[ROCE_MESSAGES_MAX];
	struct iovec parts[ROCE_MESSAGES_MAX];
	struct sockaddr_storage sources[ROCE_MESSAGES_MAX];
	union control controls[ROCE_MESSAGES_MAX];
	uint8_t *buffer; /* ROCE_MESSAGES_MAX of ROCE_MESSAGE_BYTES */
};

/* ---- opening ---- */

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof value) ? -errno : 0;
}

/* Make the kernel forbid fragments and write the identification 0: see path.h. */
static int forbid_fragments(int fd, bool is_ipv4)
{
	return is_ipv4 ? set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
		       : set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
}

/* Make the kernel send in fragments what is longer than the path MTU, and nothing else. */
static int permit_fragments(int fd, bool is_ipv4)
{
	return is_ipv4 ? set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_WANT)
		       : set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
}

static int make(const struct roce_socket_options *options, int *ret_fd)
{
	bool is_ipv4 = roce_address_is_ipv4(options->local);
	int fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage address;
	socklen_t bytes = roce_address_to(options->local, &address);
	int r;

	if (fd < 0)
		return -errno;
	r = forbid_fragments(fd, is_ipv4);
	if (r == 0 && !is_ipv4)
		r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (r == 0 && options->share_port)
		r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	/* Without this option every packet is a message of its own. */
	set(fd, IPPROTO_UDP, UDP_GRO, 1);
	/* As root, go beyond the system's limit. */
	if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, ROCE_SOCKET_FILL_BYTES))
		set(fd, SOL_SOCKET, SO_RCVBUF, ROCE_SOCKET_FILL_BYTES);
	set(fd, SOL_SOCKET, SO_SNDBUF, ROCE_SOCKET_FILL_BYTES);
	if (r == 0 && bind(fd, (struct sockaddr *)&address, bytes))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int roce_socket_open(const struct roce_socket_options *options, struct roce_socket **ret_socket)
{
	struct roce_socket *socket = calloc(1, sizeof *socket);
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	int r;

	if (!socket)
		return -ENOMEM;
	socket->fd = -1;
	socket->buffer = malloc((size_t)ROCE_MESSAGES_MAX * ROCE_MESSAGE_BYTES);
	r = socket->buffer ? make(options, &socket->fd) : -ENOMEM;
	if (r == 0 && getsockname(socket->fd, (struct sockaddr *)&address, &bytes))
		r = -errno;
	if (r) {
		roce_socket_close(socket);
		return r;
	}
	roce_address_from((struct sockaddr *)&address, &socket->local);
	socket->any = roce_address_is_any(&socket->local);
	for (unsigned i = 0; i < ROCE_MESSAGES_MAX; i++) {
		struct msghdr *message = &socket->messages[i].msg_hdr;

		socket->parts[i] = (struct iovec){socket->buffer + (size_t)i * ROCE_MESSAGE_BYTES,
						  ROCE_MESSAGE_BYTES};
		message->msg_iov = &socket->parts[i];
		message->msg_iovlen = 1;
		message->msg_name = &socket->sources[i];
		message->msg_control = &socket->controls[i];
	}
	*ret_socket = socket;
	return 0;
}

void roce_socket_close(struct roce_socket *socket)
{
	if (!socket)
		return;
	if (socket->fd >= 0)
		close(socket->fd);
	free(socket->buffer);
	free(socket);
}

int roce_socket_connect(struct roce_socket *socket, const struct roce_address *remote)
{
	struct sockaddr_storage address;
	socklen_t bytes = roce_address_to(remote, &address);

	if (connect(socket->fd, (struct sockaddr *)&address, bytes))
		return -errno;
	socket->connected = true;
	return 0;
}

void roce_socket_fragment(struct roce_socket *socket)
{
	socket->fragments = true;
}

bool roce_socket_is_narrow(const struct roce_socket *socket)
{
	return socket->narrow;
}

void roce_socket_forget_narrow(struct roce_socket *socket)
{
	socket->narrow = false;
}

int roce_socket_fd(const struct roce_socket *socket)
{
	return socket->fd;
}

struct roce_address roce_socket_local(const struct roce_socket *socket)
{
	return socket->local;
}

uint32_t roce_socket_buffer_bytes(const struct roce_socket *socket)
{
	int bytes = 0;
	socklen_t length = sizeof bytes;

	getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, &bytes, &length);
	return bytes > 0 ? (uint32_t)bytes : 0;
}

int roce_socket_share(const struct roce_socket *socket)
{
	return set(socket->fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int roce_socket_steer(const struct roce_socket *socket, unsigned count)
{
	/* The filter sees the UDP payload; the word at 4 has eight reserved bits and the QPN. */
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xffffff),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog filter = {sizeof program / sizeof *program, program};

	return setsockopt(socket->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter)
		       ? -errno
		       : 0;
}

int roce_route(const struct roce_address *remote, struct roce_address *ret_local)
{
	bool is_ipv4 = roce_address_is_ipv4(remote);
	int fd = socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address;
	socklen_t bytes = roce_address_to(remote, &address), length = sizeof(int);
	int link_mtu = 0, mtu = ROCE_MTU_MAX, r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (struct sockaddr *)&address, bytes) ||
			    getsockopt(fd, is_ipv4 ? IPPROTO_IP : IPPROTO_IPV6,
				       is_ipv4 ? IP_MTU : IPV6_MTU, &link_mtu, &length)
		    ? -errno
		    : 0;
	bytes = sizeof address;
	if (r == 0 && getsockname(fd, (struct sockaddr *)&address, &bytes))
		r = -errno;
	close(fd);
	if (r)
		return r;
	roce_address_from((struct sockaddr *)&address, ret_local);
	while (mtu > ROCE_MTU_MIN && mtu + PACKET_OVERHEAD > link_mtu)
		mtu /= 2;
	return mtu;
}

/* ---- sending ---- */

/* Append a control message. */
static void put_control(struct msghdr *message, union control *control, int level, int type,
			const void *data, size_t bytes)
{
	struct cmsghdr *header =
		(struct cmsghdr *)(void *)(control->bytes + message->msg_controllen);

	header->cmsg_level = level;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(bytes);
	memcpy(CMSG_DATA(header), data, bytes);
	message->msg_control = control->bytes;
	message->msg_controllen += CMSG_SPACE(bytes);
}

static void put_source(struct msghdr *message, union control *control,
		       const struct roce_address *local)
{
	struct in_pktinfo ipv4 = {0};
	struct in6_pktinfo ipv6 = {0};

	if (roce_address_is_ipv4(local)) {
		memcpy(&ipv4.ipi_spec_dst, local->ip + 12, 4);
		put_control(message, control, IPPROTO_IP, IP_PKTINFO, &ipv4, sizeof ipv4);
	} else {
		memcpy(&ipv6.ipi6_addr, local->ip, 16);
		put_control(message, control, IPPROTO_IPV6, IPV6_PKTINFO, &ipv6, sizeof ipv6);
	}
}

/* Returns 1 or -1, as sendmmsg does. */
static int send_one(const struct roce_socket *socket, const struct mmsghdr *message)
{
	const struct msghdr *header = &message->msg_hdr;
	ssize_t n = header->msg_controllen ? sendmsg(socket->fd, header, 0)
					   : sendto(socket->fd, header->msg_iov->iov_base,
						    header->msg_iov->iov_len, 0, header->msg_name,
						    header->msg_namelen);

	return n < 0 ? -1 : 1;
}

/* Send each packet of @run by itself. Returns whether all were taken; errno says why one was
 * not. */
static bool send_each(const struct roce_socket *socket, struct mmsghdr *message,
		      const struct roce_batch *batch, const struct roce_run *run,
		      union control *control)
{
	struct msghdr *header = &message->msg_hdr;
	uint32_t at = 0;

	header->msg_controllen = 0;
	header->msg_control = NULL;
	if (socket->any)
		put_source(header, control, &run->path->local);
	for (; at < run->length_bytes; at += run->segment_bytes) {
		uint32_t left = run->length_bytes - at;

		header->msg_iov->iov_base = (void *)(batch->bytes + run->offset + at);
		header->msg_iov->iov_len = left < run->segment_bytes ? left : run->segment_bytes;
		if (send_one(socket, message) < 0)
			return false;
	}
	return true;
}

static bool is_refusal_of_length(int error)
{
	return error == EMSGSIZE || error == EIO || error == EINVAL || error == EOPNOTSUPP;
}

/*
 * The kernel refused @run with @error: because of its segmentation, or because its packets are
 * longer than the path takes by now. Only sending a single packet tells which. In the second case
 * the path MTU shrank while the queue pair was in use. Its packets keep their length, since the MTU
 * is part of what a PSN means; IP carries them in fragments.
 */
static void send_otherwise(struct roce_socket *socket, struct mmsghdr *message,
			   struct roce_batch *batch, const struct roce_run *run,
			   union control *control, int error)
{
	bool is_ipv4 = roce_address_is_ipv4(&socket->local);

	if (send_each(socket, message, batch, run, control)) {
		/* There is no segmentation without checksums by the device, or in this kernel: send
		 * one by one from now on. */
		batch->single |= error != EMSGSIZE;
		return;
	}
	if (errno != EMSGSIZE)
		return;
	socket->narrow |= !socket->fragments;
	if (!socket->fragments || permit_fragments(socket->fd, is_ipv4))
		return;
	if (!send_each(socket, message, batch, run, control))
		socket->full |= errno == EAGAIN;
	forbid_fragments(socket->fd, is_ipv4);
}

/* Send up to SEND_MESSAGES runs from @first on. Returns how many are dealt with. */
static unsigned send_some(struct roce_socket *socket, struct roce_batch *batch, unsigned first)
{
	struct mmsghdr messages[SEND_MESSAGES];
	struct iovec parts[SEND_MESSAGES];
	struct sockaddr_storage remotes[SEND_MESSAGES];
	union control controls[SEND_MESSAGES];
	unsigned count = 0;
	int sent;

	for (; count < SEND_MESSAGES && first + count < batch->run_count; count++) {
		const struct roce_run *run = &batch->runs[first + count];
		struct msghdr *message = &messages[count].msg_hdr;

		parts[count] = (struct iovec){batch->bytes + run->offset, run->length_bytes};
		*message = (struct msghdr){.msg_iov = &parts[count], .msg_iovlen = 1};
		if (!socket->connected) {
			message->msg_name = &remotes[count];
			message->msg_namelen = roce_address_to(&run->path->remote, &remotes[count]);
		}
		if (run->count > 1)
			put_control(message, &controls[count], IPPROTO_UDP, UDP_SEGMENT,
				    &run->segment_bytes, sizeof run->segment_bytes);
		if (socket->any)
			put_source(message, &controls[count], &run->path->local);
	}
	sent = count > 1 ? sendmmsg(socket->fd, messages, count, 0) : send_one(socket, messages);
	if (sent > 0)
		return (unsigned)sent;
	socket->full |= errno == EAGAIN;
	if (is_refusal_of_length(errno))
		send_otherwise(socket, messages, batch, &batch->runs[first], controls, errno);
	return 1; /* the packets of the run that were refused are lost */
}

void roce_socket_send(struct roce_socket *socket, struct roce_batch *batch)
{
	unsigned done = 0;

	while (done < batch->run_count)
		done += send_some(socket, batch, done);
	roce_batch_clear(batch);
}

bool roce_socket_is_full(struct roce_socket *socket)
{
	/* A UDP socket is writable while less than half of its buffer is in use. */
	struct pollfd writable = {.fd = socket->fd, .events = POLLOUT};

	if (socket->full && poll(&writable, 1, 0) > 0)
		socket->full = false;
	return socket->full;
}

/* ---- receiving ---- */

/* The length of each packet in a message but the last; the whole message's where it is one
 * packet. */
static size_t segment_bytes_of(struct msghdr *message, size_t bytes)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
	     header = CMSG_NXTHDR(message, header)) {
		int segment_bytes;

		if (header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO)
			continue;
		memcpy(&segment_bytes, CMSG_DATA(header), sizeof segment_bytes);
		if (segment_bytes > 0)
			return (size_t)segment_bytes;
	}
	return bytes;
}

/* Receive one message where the last receive found none, else as many as there may be. Returns how
 * many. */
static int receive(struct roce_socket *socket)
{
	unsigned wanted = socket->burst ? ROCE_MESSAGES_MAX : 1;
	int count;

	for (unsigned i = 0; i < wanted; i++) {
		struct msghdr *message = &socket->messages[i].msg_hdr;

		message->msg_namelen = sizeof socket->sources[i];
		message->msg_controllen = sizeof socket->controls[i];
	}
	if (wanted > 1) {
		count = recvmmsg(socket->fd, socket->messages, wanted, MSG_DONTWAIT, NULL);
	} else {
		ssize_t n = recvmsg(socket->fd, &socket->messages[0].msg_hdr, MSG_DONTWAIT);

		socket->messages[0].msg_len = n < 0 ? 0 : (unsigned)n;
		count = n < 0 ? -1 : 1;
	}
	socket->burst = count > 0 && (wanted == 1 || count > 1);
	return count;
}

int roce_socket_receive(struct roce_socket *socket,
			void (*take)(void *context, const struct roce_address *source,
				     const uint8_t *packet, size_t bytes),
			void *context)
{
	int count = receive(socket), packets = 0;

	if (count < 0)
		return errno == ECONNREFUSED ? -ECONNREFUSED : 0;
	for (int i = 0; i < count; i++) {
		struct msghdr *message = &socket->messages[i].msg_hdr;
		const uint8_t *at = socket->parts[i].iov_base;
		size_t left = socket->messages[i].msg_len;
		size_t segment_bytes = segment_bytes_of(message, left);
		struct roce_address source;

		roce_address_from(message->msg_name, &source);
		do {
			size_t bytes = left < segment_bytes ? left : segment_bytes;

			take(context, &source, at, bytes);
			packets++;
			at += bytes;
			left -= bytes;
		} while (left);
	}
	return packets;
}
