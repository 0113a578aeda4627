/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to the RDMA device while storaged runs: it is logged, and seen in stat and
 * doctor. */
#ifndef STORAGED_PATHS_DEVICE_WATCH_H
#define STORAGED_PATHS_DEVICE_WATCH_H

struct server;

/* Returns 0 or a negative errno. Does nothing where there is no device. */
int device_watch_open(struct server *server);
void device_watch_close(struct server *server);

#endif
