/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assertions.h - Check's assertions, of which those that hold say nothing, and those that fail in a
 * child of a test end it (child.h). Check's own tell its runner their line each time, by a write to
 * a file: a test that asserts something of each byte of its memory took a hundred times as long. Of
 * a test that crashes, Check then knows no line: a debugger and the address sanitizer do. Every
 * program with tests includes this first (meson.build).
 */
#ifndef TESTS_ASSERTIONS_H
#define TESTS_ASSERTIONS_H

#include "child.h"

#include <check.h>

#define _mark_point(file, line) ((void)0)
#define _ck_assert_failed(...) \
	(child_is_me ? child_fail(__VA_ARGS__) : (_ck_assert_failed)(__VA_ARGS__))
/* A macro of Check before 0.15, and a function of dsoctl. */
#undef fail

#endif
