/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOOLS_DSOCTL_SIGNALS_H
#define TOOLS_DSOCTL_SIGNALS_H

#include <signal.h>

/* Every signal that would end dsoctl and can be caught, except those that dsoctl was started to
 * ignore. */
sigset_t ending_signals(void);

#endif
